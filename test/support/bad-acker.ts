/**
 * An acker in its own process. Its handlers fail on the first delivery of a message and succeed on the second.
 * It reads DATABASE_URL and MQTT_URL.
 */
import { setImmediate } from "node:timers/promises";
import { createAcker, type HandlerContext, type MessageHandler, processed } from "@acktor/acker";

const BLOCKED_MS = 5_000;
const seen = new Set<string>();

/** Fails once for each message. */
function once(wrong: (context: HandlerContext) => ReturnType<MessageHandler>): MessageHandler {
  return ({ id }, context) => {
    if (seen.has(id)) return processed;
    seen.add(id);
    return wrong(context);
  };
}

const { DATABASE_URL = "", MQTT_URL = "" } = process.env;
const acker = await createAcker({
  databaseUrl: DATABASE_URL,
  mqttUrl: MQTT_URL,
  instance: "bad",
  env: { LOG_LEVEL: "warn" },
  handlers: {
    "t/throws": once(() => {
      throw new Error("on purpose");
    }),
    "t/hangs": { timeoutMs: 400, handle: once(() => new Promise(() => undefined)) },
    "t/nonsense": once((() => ({ kind: "done" })) as never),
    "t/blocks": {
      timeoutMs: 1_000,
      handle: once(async ({ working }) => {
        working(2 * BLOCKED_MS);
        // The process exits at the end of this turn of the event loop.
        await setImmediate();
        for (const end = performance.now() + BLOCKED_MS; performance.now() < end; );
        return processed;
      }),
    },
    "t/fine": () => processed,
  },
});
if (!acker.ok) throw new Error(acker.faults.join("\n"));
await acker.started;
