/**
 * How much may pass in a time, in bytes or in messages: a bucket that fills at a rate.
 *
 * Invariant BUDGET-1: over any time no more passes than `burst`, and `perSecond` for each second.
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

  /** @returns whether there was room, which is taken then */
  admit(amount: number, now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }
}
