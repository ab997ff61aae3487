/**
 * A device that sleeps and wakes for a moment: an hour and five seconds on a meter in a cellar, less here.
 *
 * It has no PostgreSQL and none of the acker's code, only the robust client. It announces itself when it wakes, so its
 * waiting messages arrive immediately; while it sleeps, its topic is parked and slows no other.
 */
import { createClient, createLink, type Link } from "@acktor/shared/client";
import type { World } from "./world.ts";

const SLEEP_MS = 2_000;
const AWAKE_MS = 5_000;
const FILTER = "meters/cellar/#";

export async function run({ mqttUrl, publisherUrl, say }: World): Promise<void> {
  const client = createClient({ url: publisherUrl });
  const sent = await client.send({ topic: "meters/cellar/tariff", content: "night", ttlSeconds: 7_200 });
  if (!sent.ok) throw new Error(sent.failure.message);
  say(`the device sleeps; the message waits: ${(await sent.handle.acknowledged({ timeoutMs: SLEEP_MS })).kind}`);
  const seen = new Set<string>();
  await wake(mqttUrl, seen, say);
  const outcome = await sent.handle.acknowledged({ timeoutMs: 10_000 });
  say(`after it woke: ${outcome.kind}`);
}

/** One awakening, 5 s at most. A real device keeps `seen` in its flash. */
async function wake(url: string, seen: Set<string>, say: World["say"]): Promise<void> {
  const link = createLink({ url, name: "meter", instance: "cellar" });
  const worked = new Promise<void>((resolve) => {
    link.on("link.message", ({ payload }) => {
      const { message_id: id, content, ack_topic: topic } = JSON.parse(payload.toString()) as Record<string, string>;
      if (id === undefined || topic === undefined) return;
      if (!seen.has(id)) say(`the device applies: ${content}`);
      seen.add(id);
      publish(link, topic, { client_id: "meter-cellar" }).then(() => resolve());
    });
  });
  link.subscribe({ filter: FILTER, qos: 1 });
  const connected = await link.connect({ waitMs: AWAKE_MS });
  if (connected.ok) {
    const birth = { instance: "meter-cellar", status: "online", filters: [FILTER], since: Date.now() / 1_000 };
    await publish(link, "delivery/acker/meter-cellar", birth, true);
    await Promise.race([worked, new Promise((resolve) => setTimeout(resolve, AWAKE_MS))]);
  }
  const { stats, state } = link.info();
  say(`${state}: ${stats.messagesReceived} received, ${stats.messagesSent} sent; the device sleeps again`);
  await link.stop();
}

function publish(link: Link, topic: string, body: object, retain = false): Promise<string> {
  return new Promise((resolve) => {
    link.publish({ topic, payload: JSON.stringify(body), qos: 1, retain }, ({ kind }) => resolve(kind));
  });
}
