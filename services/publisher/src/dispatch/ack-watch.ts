/**
 * Watches the attempts that wait for an ack: it has them recorded, notices that an ack is late, and moves their times.
 */
import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Clock } from "@acktor/shared/runtime/clock";
import { BIRTH_GRACE_MS } from "../outbox/held-rows.ts";
import type { AttemptRecorder } from "./attempt-recorder.ts";
import { ACK_TIMEOUT } from "./delivery-error.ts";
import type { DeliveryPolicy } from "./delivery-policy.ts";
import type { DestinationHealth } from "./destination-health.ts";
import type { DispatchCounts } from "./dispatch-counts.ts";
import { hasHold } from "./hold.ts";
import type { InFlight, InFlightBook } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";

/** Messages looked at in one step: less than a millisecond, for any filters of a birth. */
const STEP = 256;

export interface AckWatchParts {
  readonly clock: Clock;
  readonly book: InFlightBook;
  readonly recorder: AttemptRecorder;
  readonly writes: Writes;
  readonly health: DestinationHealth;
  readonly policy: DeliveryPolicy;
  readonly counts: DispatchCounts;
  readonly deliveries: DeliveryNotes;
}

export class AckWatch {
  readonly #parts: AckWatchParts;

  constructor(parts: AckWatchParts) {
    this.#parts = parts;
  }

  tick(now: number): void {
    const { book, recorder, health } = this.#parts;
    const due: InFlight[] = [];
    for (const attempt of book.values()) {
      health.watch(attempt, now);
      if (recorder.isDue(attempt, now)) due.push(attempt);
      else if (attempt.state === "RECORDED" && isOver(attempt, now)) this.#timedOut(attempt, now);
    }
    if (due.length > 0) recorder.record(due);
  }

  /**
   * A row that is in flight was claimed again: a birth resumed it, or the claim was ahead of the tick. Its next PUBLISH
   * counts from now on. Its attempt is recorded, or the row would not have been due.
   */
  supersedeAttempt(attempt: InFlight, now: number): void {
    if (now >= attempt.timesOutAt) this.#timedOut(attempt, now);
    else this.#parts.book.close(attempt);
  }

  /** A receiver is at work on this PUBLISH and asks not to be sent it again for `forMs`. */
  postpone(attempt: InFlight, forMs: number): void {
    const { clock, book, recorder } = this.#parts;
    const until = clock.now() + forMs;
    this.#parts.health.heard(attempt, clock.now());
    if (until <= attempt.timesOutAt) return;
    book.postpone(attempt, until);
    // The row says already when it is due. Should this write be lost, the receiver gets the message twice.
    if (attempt.state === "RECORDED" && attempt.isStale) recorder.record([attempt]);
  }

  /**
   * An acker was born for the topics that `matches`. What was published before may have reached no receiver, and is leased,
   * so that the outbox does not resume it: it comes due as soon as its ack is late, without the backoff. In steps with a
   * yield after each. A held copy first gets the time in which a device with its session answers it.
   */
  *retryAtAckTimeoutInSteps(matches: (topic: string) => boolean): Generator<undefined, void> {
    const { book, clock } = this.#parts;
    let looked = 0;
    for (const attempt of [...book.values()]) {
      if (++looked % STEP === 0) yield;
      // Between two steps it may have been answered.
      const current = book.find(attempt.message.messageId) === attempt;
      const by = hasHold(attempt.message) ? clock.now() + BIRTH_GRACE_MS : attempt.timesOutAt;
      if (current && attempt.retryAt > by && matches(attempt.message.topic)) book.retryBy(attempt, by);
    }
  }

  #timedOut(attempt: InFlight, now: number): void {
    const { book, health, policy, writes, counts, deliveries } = this.#parts;
    const { message, destination } = attempt;
    // HOLD-2
    if (hasHold(message)) {
      destination.asleep = true;
      book.close(attempt);
      return;
    }
    counts.ackTimeouts++;
    if (deliveries.watched) deliveries.note("ack_timeout", message.messageId, message.topic, attempt.attempt);
    book.close(attempt);
    const decision = policy.decide(message, ACK_TIMEOUT, attempt.attempt);
    if (decision.kind === "dead_letter") writes.fail(message, decision.reason);
    health.timedOut(attempt, now);
    if (decision.kind === "pause") health.park(destination);
  }
}

/** No place in the window any longer. HOLD-2 */
function isOver({ message, destination, timesOutAt }: InFlight, now: number): boolean {
  return now >= timesOutAt || (destination.asleep && hasHold(message));
}
