/**
 * Exercise 4: own handling per error type, own retry policy, own recovery. The same as a function and as ACKTOR_POLICY; both
 * decide about each failed delivery, and leave the built-in behaviour where it is right.
 */
import type { Decision, DeliveryError, ErrorPolicy } from "@acktor/publisher";
import type { World } from "./world.ts";

/** Decides by the error, by how often the message was sent, and by how old it is (milliseconds). */
export const policy: ErrorPolicy = (error: DeliveryError, attempt: number, ageMs: number): Decision => {
  // Own handling per error type: an access list does not change automatically, so constant retries are useless.
  if (error.type === "authentication") return { kind: "pause" };
  // Own retry policy: a device behind a satellite link answers late; one retry a minute is enough, and a day is too late.
  if (error.on === "ack_timeout" && error.topic.startsWith("ships/")) {
    return ageMs > 86_400_000 ? { kind: "dead_letter", reason: "a day old" } : { kind: "retry", inMs: 60_000 };
  }
  // Own recovery: what was rejected five times is for a person, who finds it among the dead letters.
  if (error.on === "rejected" && attempt >= 5) return { kind: "dead_letter", reason: `rejected: ${error.reason}` };
  return { kind: "default" };
};

/** The same without code (all but the topic). */
export const ACKTOR_POLICY = JSON.stringify({
  rules: [
    { type: "authentication", do: "pause" },
    { on: "ack_timeout", older_than: "1d", do: "dead_letter", reason: "a day old" },
    { on: "ack_timeout", do: "retry", backoff: { kind: "fixed", base: "60s", jitter: 0.2 } },
    { on: "rejected", attempts: 5, do: "dead_letter" },
  ],
});

export async function run({ say }: World): Promise<void> {
  const late = { type: "timeout", on: "ack_timeout", reasonCode: null, reason: "no ack in time" } as const;
  const refused = { ...late, type: "authentication", on: "publish_refused", reasonCode: 0x87, topic: "a/b" } as const;
  say(`a refused PUBLISH: ${policy(refused, 1, 0).kind}`);
  say(`a ship is silent: ${policy({ ...late, topic: "ships/1" }, 3, 60_000).kind}`);
  say(`a lamp is silent: ${policy({ ...late, topic: "lamps/1" }, 3, 60_000).kind}`);
}
