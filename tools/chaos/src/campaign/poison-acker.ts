/**
 * A second acker, made with the library, in addition to the acker of the pair. Its handlers throw, kill the process, or
 * succeed. It is a separate program, which the campaign starts again after each death:
 * `DATABASE_URL=… MQTT_URL=… node poison-acker.js`.
 */
import { createAcker, processed } from "@acktor/acker";
import { POISON_TOPICS } from "./poison.ts";

const LEASE_MS = 600;

const acker = await createAcker({
  databaseUrl: process.env["DATABASE_URL"] ?? "",
  mqttUrl: process.env["MQTT_URL"] ?? "",
  instance: "poisoned",
  leaseMs: LEASE_MS,
  env: { LOG_LEVEL: "error", ACKTOR_ACK_SECRET: process.env["ACKTOR_ACK_SECRET"] ?? "", ACKTOR_MIGRATE: "off" },
  handlers: {
    [POISON_TOPICS.fine]: () => processed,
    [POISON_TOPICS.throws]: () => {
      throw new Error("the handler throws on purpose");
    },
    [POISON_TOPICS.kills]: {
      concurrency: 1,
      handle: () => {
        process.kill(process.pid, "SIGKILL");
        return processed;
      },
    },
  },
});
if (!acker.ok) throw new Error(acker.faults.join("\n"));
process.once("SIGTERM", () => void acker.stop().then(() => process.exit(0)));
