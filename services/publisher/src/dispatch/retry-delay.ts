/** When a message is published again: backoff with full jitter on top of the ack timeout (never before it). */
import type { Random } from "@acktor/shared/runtime/clock";

/** Doublings beyond this change nothing and would overflow. */
const MAX_DOUBLINGS = 30;

export interface RetrySchedule {
  readonly baseMs: number;
  readonly capMs: number;
}

export class RetryDelay {
  readonly #schedule: RetrySchedule;
  readonly #random: Random;

  constructor(schedule: RetrySchedule, random: Random) {
    this.#schedule = schedule;
    this.#random = random;
  }

  /**
   * Milliseconds from a PUBLISH to the next one: A + U(0, min(cap, base·2^k)).
   * @param retries PUBLISHes of this message before this one; only those written on a live session count
   */
  after(ackTimeoutMs: number, retries: number): number {
    const { baseMs, capMs } = this.#schedule;
    const spread = Math.min(capMs, baseMs * 2 ** Math.min(retries, MAX_DOUBLINGS));
    return ackTimeoutMs + this.#random.next() * spread;
  }
}
