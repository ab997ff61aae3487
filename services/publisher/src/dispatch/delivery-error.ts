/** What the dispatcher saw, in the words of an error policy. Pure. */
import { classifyFailure } from "@acktor/shared/link/classify-failure";
import type { PublishOutcome } from "@acktor/shared/link/link";
import type { DeliveryError } from "@acktor/shared/runtime/error-policy";

type Seen = Omit<DeliveryError, "topic">;

export const ACK_TIMEOUT: Seen = { type: "timeout", on: "ack_timeout", reasonCode: null, reason: "no ack in time" };

export function failedPublish(outcome: Extract<PublishOutcome, { kind: "refused" | "lost" }>): Seen {
  if (outcome.kind === "refused") {
    const { type, reason } = classifyFailure({ kind: "puback", code: outcome.reasonCode, said: outcome.said });
    return { type, on: "publish_refused", reasonCode: outcome.reasonCode, reason };
  }
  if (outcome.why === "deadline") {
    return { type: "timeout", on: "publish_lost", reasonCode: null, reason: "no PUBACK in time" };
  }
  if (outcome.cause?.kind !== "disconnect") {
    return { type: "network", on: "publish_lost", reasonCode: null, reason: "the connection ended" };
  }
  const { type, reason } = classifyFailure(outcome.cause);
  return { type, on: "publish_lost", reasonCode: outcome.cause.code, reason };
}
