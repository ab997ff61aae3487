import { createAcker, rejected, sql } from "@acktor/acker";
import { createClient, enqueue, fence } from "@acktor/shared/client";
import postgres from "postgres";

const { DATABASE_URL = "", MQTT_URL = "", PUBLISHER_URL = "http://127.0.0.1:8080" } = process.env;

// One end: the reading commits together with the proof that its message was processed.
const acker = await createAcker({
  databaseUrl: DATABASE_URL,
  mqttUrl: MQTT_URL,
  handlers: {
    "sensors/+/temp": (message) => {
      const celsius = Number(message.content);
      if (Number.isNaN(celsius)) return rejected("not a number", { retryable: false });
      return sql`insert into readings (id, celsius) values (${message.id}, ${celsius})`;
    },
  },
});
if (!acker.ok) throw new Error(acker.faults.join("\n"));

// The other end: the message exists if, and only if, your transaction commits.
const db = postgres(DATABASE_URL);
const id = await db.begin(async (tx) => {
  await fence(tx);
  await tx`insert into sensors (name) values ('cellar')`;
  return enqueue(tx, { topic: "sensors/cellar/temp", content: "21.5" });
});
const outcome = await createClient({ url: PUBLISHER_URL }).message(id).acknowledged();
console.log(outcome.kind);

await acker.stop();
await db.end();
