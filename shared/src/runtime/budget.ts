/**
 * Limits a rate of bytes or messages by a token bucket.
 *
 * Invariants:
 *  BUCKET-1. In any period no more passes than `burst` plus `perSecond` for each second.
 */
export class Budget {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  /** @param now monotonic milliseconds */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#at = now;
  }

  /** @returns whether `amount` may pass; it is subtracted then */
  admit(amount: number, now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    if (amount > this.#left) return false; // BUCKET-1
    this.#left -= amount;
    return true;
  }
}
