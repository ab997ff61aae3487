/** Asks the error policy about a delivery that went wrong. Without a policy the built-in behaviour applies. */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Decision, DeliveryError, ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import type { LeasedMessage } from "../outbox/outbox.ts";

const BUILT_IN: Decision = { kind: "default" };

export class DeliveryPolicy {
  readonly #policy: ErrorPolicy | null;
  readonly #clock: Clock;

  constructor(policy: ErrorPolicy | null, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /** @param attempt counts from 1 */
  decide(message: LeasedMessage, error: Omit<DeliveryError, "topic">, attempt: number): Decision {
    if (this.#policy === null) return BUILT_IN;
    const ageMs = Math.max(0, this.#clock.wallClock() - message.createdAt * 1_000);
    return this.#policy({ ...error, topic: message.topic }, attempt, ageMs);
  }
}
