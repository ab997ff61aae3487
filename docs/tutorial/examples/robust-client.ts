/**
 * Exercise 1 alone: the robust client, without an outbox. It connects, connects again for as long as it takes, tells what
 * happens, and counts. A message is delivered when the broker has it; what must not be lost belongs into the outbox.
 */
import { createLink, type PublishOutcome } from "@acktor/shared/client";
import type { World } from "./world.ts";

export async function run({ mqttUrl, say }: World): Promise<void> {
  const link = createLink({
    url: mqttUrl,
    name: "thermometer",
    keepaliveSeconds: 5,
    backoff: { kind: "equal", baseMs: 200, capMs: 5_000 },
    breaker: { failureRatio: 0.5, minCalls: 20 },
  });
  link.on("link.connected", ({ clientId }) => say(`connected as ${clientId.replace(/-[0-9a-f]{8}$/, "")}`));
  link.on("link.error", ({ type, reason }) => say(`${type}: ${reason}`));
  link.on("link.reconnected", ({ afterMs }) => say(`back after ${afterMs} ms`));
  link.on("link.disconnected", ({ expected }) => say(expected ? "disconnected" : "connection lost"));
  const heard = new Promise<string>((resolve) => {
    link.on("link.message", ({ topic, payload }) => resolve(`${topic}: ${payload.toString()}`));
  });

  // Remembered, and made again on every connection.
  link.subscribe({ filter: "cellar/temperature", qos: 1 });
  const connected = await link.connect({ waitMs: 10_000 });
  if (!connected.ok) throw new Error(connected.reason);
  const outcome = await new Promise<PublishOutcome>((resolve) => {
    link.publish({ topic: "cellar/temperature", payload: "21.5", qos: 1, retain: false }, resolve);
  });
  say(`published: ${outcome.kind}`);
  say(await heard);
  const { state, breaker, retryCount, stats } = link.info();
  say(`${state}, breaker ${breaker}, ${retryCount} retries, ${stats.successfulConnections} connections`);
  await link.disconnect();
  await link.stop();
}
