/**
 * Turns attempts into the records that the outbox keeps of them.
 *
 * Invariants:
 *  ATTEMPT_RECORDER-1. Each PUBLISH that was written ends as an attempt in the row or with its ack.
 */
import type { Link } from "@acktor/shared/link/link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { AttemptRecord } from "../outbox/outbox.ts";
import type { Attempt, InFlight, InFlightBook } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";

/** A PUBLISH whose ack comes within this needs no `sent` write of its own. */
const RECORD_AFTER_MS = 100;

export interface AttemptRecorderParts {
  readonly link: Link;
  readonly clock: Clock;
  readonly book: InFlightBook;
  readonly writes: Writes;
}

export class AttemptRecorder {
  readonly #parts: AttemptRecorderParts;

  constructor(parts: AttemptRecorderParts) {
    this.#parts = parts;
  }

  /** True for an attempt whose record is to be written now, because its ack did not come first. */
  isDue(attempt: InFlight, now: number): boolean {
    return attempt.state === "AWAITING_ACK" && now - attempt.pubackAt >= RECORD_AFTER_MS;
  }

  /** The broker has acked them. */
  record(attempts: readonly Attempt[]): void {
    this.#write(attempts, "acked", null);
  }

  /** @param reasonCode of the refusal */
  recordFailed(attempt: Attempt, outcome: "lost" | "refused", reasonCode: number | null): void {
    this.#write([attempt], outcome, reasonCode);
  }

  /** Before a stop: records every attempt that has a PUBACK and no ack. */
  flush(): void {
    const due = [...this.#parts.book.values()].filter(({ state }) => state === "AWAITING_ACK");
    // ATTEMPT_RECORDER-1
    if (due.length > 0) this.record(due);
  }

  #write(attempts: readonly Attempt[], outcome: AttemptRecord["outcome"], reasonCode: number | null): void {
    const { link, clock, book, writes } = this.#parts;
    const { breaker } = link.info();
    const now = clock.now();
    const records = attempts.map((attempt): AttemptRecord => {
      book.recording(attempt);
      return {
        messageId: attempt.message.messageId,
        leaseToken: attempt.message.leaseToken,
        outcome,
        reasonCode: outcome === "acked" && attempt.state !== "SENT" ? attempt.puback : reasonCode,
        breaker,
        publishedAgoMs: now - attempt.sentAt,
        nextInMs: Math.max(0, attempt.retryAt - now),
      };
    });
    writes.recordAttempts(records, attempts);
  }
}
