/**
 * How many messages wait in the outbox: as last counted, plus what this process has accepted since.
 *
 * Invariants:
 *  LEVEL-1. Between two counts the level rises with every message that is accepted, so that a burst cannot pass the
 * high-water mark unseen.
 */
export class WaitingLevel {
  readonly #highWater: number;
  /** Written by `counted`; null before the first count. */
  #waiting: number | null = null;
  /** Written by `accept`. */
  #accepted = 0;
  #acceptedAtCount = 0;
  /** Age of the oldest row that waits, milliseconds; null when none does. Written by the counter. */
  oldestWaitingMs: number | null = null;
  /** Destinations that are parked, at most 10,000. Written by the counter. */
  parked = 0;

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  get highWater(): number {
    return this.#highWater;
  }

  get waiting(): number | null {
    return this.#waiting;
  }

  /** Messages accepted by this process so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Messages were committed. */
  accept(count: number): void {
    this.#accepted += count;
  }

  /** @param acceptedBefore `accepted` before the count began */
  counted(waiting: number, acceptedBefore: number): void {
    this.#waiting = waiting;
    this.#acceptedAtCount = acceptedBefore;
  }

  /** True when `adding` more rows would pass the high-water mark. */
  isFull(adding: number): boolean {
    if (this.#waiting === null) return false;
    // LEVEL-1
    return this.#waiting + this.#accepted - this.#acceptedAtCount + adding > this.#highWater;
  }
}
