/**
 * An acker whose handlers kill the process: `t/poison` after a wait, `t/poison-now` immediately. The handler of `t/fine` is slow
 * and runs one at a time, so that other messages wait together with the poison message. The acker reads DATABASE_URL and
 * MQTT_URL.
 */
import { createAcker, processed } from "@acktor/acker";
import { pause } from "@acktor/shared/runtime/pause";

const acker = await createAcker({
  databaseUrl: process.env["DATABASE_URL"] ?? "",
  mqttUrl: process.env["MQTT_URL"] ?? "",
  instance: "crashing",
  leaseMs: 600,
  env: { LOG_LEVEL: "warn" },
  handlers: {
    "t/poison": async (_message, { signal }) => {
      // The acker accepts other messages meanwhile.
      await pause(200, signal);
      process.kill(process.pid, "SIGKILL");
      return processed;
    },
    "t/poison-now": () => {
      process.kill(process.pid, "SIGKILL");
      return processed;
    },
    "t/fine": {
      concurrency: 1,
      handle: async (_message, { signal }) => {
        await pause(50, signal);
        return processed;
      },
    },
  },
});
if (!acker.ok) throw new Error(acker.faults.join("\n"));
process.once("SIGTERM", () => void acker.stop().then(() => process.exit(0)));
