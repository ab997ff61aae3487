/**
 * What follows the end of a PUBLISH: its PUBACK, a refusal, or a connection that was lost.
 *
 * Invariants:
 *  PUBLISH_ENDS-1. A PUBLISH that was refused or lost is recorded as an attempt, for every decision of the policy.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Link, PublishOutcome } from "@acktor/shared/link/link";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import type { Clock } from "@acktor/shared/runtime/clock";
import { NO_SUBSCRIBER } from "../outbox/held-rows.ts";
import type { AttemptRecorder } from "./attempt-recorder.ts";
import { failedPublish } from "./delivery-error.ts";
import type { DeliveryPolicy } from "./delivery-policy.ts";
import type { DestinationHealth } from "./destination-health.ts";
import type { DispatchCounts } from "./dispatch-counts.ts";
import { hasHold, nextInMs } from "./hold.ts";
import type { Attempt, InFlightBook, Sent } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";
import type { Quarantine } from "./quarantine.ts";

/** Settles messages for which the PUBACK is the only answer (`requires_ack: false`). */
export interface BrokerAcks {
  brokerAcked(attempt: Attempt): void;
}

export interface PublishEndsParts {
  readonly link: Pick<Link, "pace" | "excuse">;
  readonly clock: Clock;
  readonly book: InFlightBook;
  readonly recorder: AttemptRecorder;
  readonly writes: Writes;
  readonly health: DestinationHealth;
  readonly quarantine: Quarantine;
  readonly policy: DeliveryPolicy;
  readonly brokerAcks: BrokerAcks;
  readonly counts: DispatchCounts;
  readonly deliveries: DeliveryNotes;
}

type Ended = Exclude<PublishOutcome, { kind: "unsent" }>;

export class PublishEnds {
  readonly #parts: PublishEndsParts;

  constructor(parts: PublishEndsParts) {
    this.#parts = parts;
  }

  /** @returns true when the window may have room now */
  ended(attempt: Sent, outcome: Ended): boolean {
    attempt.span?.end({ outcome: outcome.kind, failed: outcome.kind !== "acked" });
    // The ack may have come before the PUBACK, or the message may have been published again.
    if (isClosed(attempt)) return false;
    if (outcome.kind === "acked") this.#acked(attempt, outcome.reasonCode);
    else this.#failed(attempt, outcome);
    return true;
  }

  #acked(sent: Sent, reasonCode: number): void {
    const { clock, book, recorder, health, quarantine, brokerAcks, counts, deliveries } = this.#parts;
    const { message, destination } = sent;
    const now = clock.now();
    // At QoS 0 it is no answer, only a write.
    if (message.qos > 0) quarantine.passed(message);
    const attempt = book.pubacked(sent, reasonCode, now);
    counts.puback++;
    if (deliveries.watched) deliveries.note("puback", message.messageId, message.topic, attempt.attempt, reasonCode);
    if (!message.requiresAck) {
      book.close(attempt);
      health.brokerAnswered(destination, now);
      brokerAcks.brokerAcked(attempt);
    } else if (reasonCode === NO_SUBSCRIBER) {
      counts.noSubscriber++;
      book.close(attempt);
      recorder.record([attempt]);
      health.park(destination, hasHold(message));
    } else if (hasHold(message)) {
      // HOLD-1
      book.retryAt(attempt, sent.sentAt + nextInMs(message, sent.retryAt - sent.sentAt));
      // HOLD-3
      if (sent.probe && (message.noSession || destination.noSession)) health.sessionFound(destination, now);
    }
  }

  #failed(attempt: Sent, outcome: Exclude<Ended, { kind: "acked" }>): void {
    const { clock, book, recorder, health, quarantine, policy, counts } = this.#parts;
    const now = clock.now();
    const reasonCode = reasonOf(outcome);
    counts[outcome.kind]++;
    this.#note(attempt, outcome);
    const seen = failedPublish(outcome);
    if (outcome.kind === "refused") quarantine.passed(attempt.message);
    if (outcome.kind === "lost" && outcome.why === "disconnected") this.#suspect(attempt, outcome.cause, seen.reason);
    const decision = policy.decide(attempt.message, seen, attempt.attempt);
    if (decision.kind === "retry") book.retryAt(attempt, now + decision.inMs);
    if (decision.kind === "dead_letter") book.giveUp(attempt, decision.reason);
    book.close(attempt);
    // PUBLISH_ENDS-1
    recorder.recordFailed(attempt, outcome.kind, reasonCode);
    if (decision.kind === "pause") health.park(attempt.destination);
  }

  #note({ message, attempt }: Sent, outcome: Exclude<Ended, { kind: "acked" }>): void {
    const { deliveries } = this.#parts;
    if (!deliveries.watched) return;
    const detail = reasonOf(outcome) ?? (outcome.kind === "lost" ? outcome.why : outcome.reasonCode);
    deliveries.note("publish_failed", message.messageId, message.topic, attempt, detail);
  }

  /** A message for which the broker closes the connection each time would end every connection. */
  #suspect({ message, sentAt }: Sent, cause: FailureInput | undefined, reason: string): void {
    const { quarantine, writes, link, clock } = this.#parts;
    // At QoS 0 nothing tells whether it was the first without an answer.
    if (message.qos === 0) return;
    const now = clock.now();
    const { expectedMs } = link.pace();
    const { convicted, ours } = quarantine.lost({ message, sinceSentMs: now - sentAt, expectedMs, cause }, now);
    if (ours) link.excuse();
    if (convicted) {
      writes.fail(message, `quarantined: the broker closed the connection each time it was sent (${reason})`);
    }
  }
}

/** The code that the broker gave: of its refusal, or of its DISCONNECT. */
function reasonOf(outcome: Exclude<Ended, { kind: "acked" }>): number | null {
  if (outcome.kind === "refused") return outcome.reasonCode;
  return outcome.why === "disconnected" && outcome.cause?.kind === "disconnect" ? outcome.cause.code : null;
}

/** The state may have changed since the PUBLISH, behind the type of the reference. */
function isClosed(attempt: Attempt): boolean {
  return attempt.state === "CLOSED";
}
