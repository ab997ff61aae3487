/**
 * How many leased messages may wait in memory: as many as are answered in some seconds.
 *
 * Long enough that claims are rare, and short compared with a lease, so that what is leased is sent before its lease ends. All
 * other rows stay in the outbox.
 */
const SMALLEST = 1_024;
const LARGEST = 20_000;
const SECONDS_OF_ANSWERS = 5;
const RATE_EVERY_MS = 500;
/** Destinations that are not proven fill this part together at most. */
const UNPROVEN = 1 / 2;
/** Of several destinations one may fill this part: the others need room, too. */
const ONE_OF_SEVERAL = 1 / 4;

export class LeaseBuffer {
  /** Leased and waiting to be sent. */
  queued = 0;
  #reserved = 0;
  #size = SMALLEST;
  #answers = 0;
  #ratedAt = 0;

  /** How many more fit. */
  get room(): number {
    return Math.max(0, this.#size - this.queued - this.#reserved);
  }

  /** True while at least half of it is free. */
  get isLow(): boolean {
    return this.room >= this.#size / 2;
  }

  /** How many one destination may have in it, of so many. */
  shareOf(destinations: number): number {
    return destinations <= 1 ? this.#size : this.#size * ONE_OF_SEVERAL;
  }

  /** How many messages of destinations that are not proven may be in it. */
  get mostUnproven(): number {
    return this.#size * UNPROVEN;
  }

  reserve(): void {
    this.#reserved++;
  }

  unreserve(count: number): void {
    this.#reserved -= count;
  }

  answered(): void {
    this.#answers++;
  }

  /** Follows the rate of answers. @param now monotonic milliseconds */
  resize(now: number): void {
    const elapsedMs = now - this.#ratedAt;
    if (elapsedMs < RATE_EVERY_MS) return;
    const wanted = (this.#answers / elapsedMs) * 1_000 * SECONDS_OF_ANSWERS;
    this.#size = Math.min(LARGEST, Math.max(SMALLEST, Math.round(wanted)));
    this.#answers = 0;
    this.#ratedAt = now;
  }
}
