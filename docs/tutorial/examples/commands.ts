/**
 * Commands to valves: with an ordering key each valve gets its commands one by one, in the order in which they were sent,
 * also when one of them has to be sent again. Different valves never wait for each other.
 */
import { createAcker, processed, rejected } from "@acktor/acker";
import { createClient } from "@acktor/shared/client";
import type { World } from "./world.ts";

const STEPS = ["open", "50 %", "20 %", "closed"];
const VALVES = ["valve-1", "valve-2"];

export async function run({ databaseUrl, mqttUrl, publisherUrl, say }: World): Promise<void> {
  const done: string[] = [];
  let isStuck = true;
  const plant = await createAcker({
    databaseUrl,
    mqttUrl,
    handlers: {
      "plant/+/set": {
        timeoutMs: 5_000,
        handle: ({ topic, content }) => {
          const valve = topic.split("/")[1] ?? "";
          // The first valve is stuck once: its command comes again, and the ones behind it wait.
          if (valve === "valve-1" && content === "50 %" && isStuck) {
            isStuck = false;
            return rejected("the valve is stuck", { retryAfterMs: 500 });
          }
          done.push(`${valve} ${content}`);
          return processed;
        },
      },
    },
    env: { LOG_LEVEL: "warn" },
  });
  if (!plant.ok) throw new Error(plant.faults.join("\n"));
  try {
    const client = createClient({ url: publisherUrl });
    for (const content of STEPS) {
      for (const valve of VALVES) {
        const sent = await client.send({ topic: `plant/${valve}/set`, content, orderingKey: valve });
        if (!sent.ok) throw new Error(sent.failure.message);
        if (content === STEPS.at(-1)) void sent.handle.acknowledged().then(({ kind }) => say(`${valve}: ${kind}`));
      }
    }
    while (done.length < STEPS.length * VALVES.length) await new Promise((resolve) => setTimeout(resolve, 50));
    for (const valve of VALVES) say(done.filter((line) => line.startsWith(valve)).join(" → "));
  } finally {
    await plant.stop();
  }
}
