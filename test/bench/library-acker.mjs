/**
 * The acker of `npm run bench -- --handlers`: the library, built, with a handler that returns one insert for each message.
 * DATABASE_URL and MQTT_URL name its database and broker; it prints `ready` once it takes messages.
 */
import { createAcker, sql } from "@acktor/acker";

const { DATABASE_URL = "", MQTT_URL = "" } = process.env;
const acker = await createAcker({
  databaseUrl: DATABASE_URL,
  mqttUrl: MQTT_URL,
  instance: "bench-acker",
  env: { LOG_LEVEL: "warn" },
  handlers: {
    "bench/#": (message) => sql`insert into effect (id, bytes) values (${message.id}, ${message.content.length})`,
  },
});
if (!acker.ok) throw new Error(acker.faults.join("\n"));
await acker.started;
console.log("ready");
process.once("SIGTERM", () => void acker.stop().then(() => process.exit(0)));
