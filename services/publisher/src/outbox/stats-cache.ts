/**
 * Statistics for whoever asks however often.
 *
 * Invariants:
 *  1. At most one reading is under way, and the next begins a second after it at the earliest, or twenty times as long as
 *     it took: counting never takes more than a twentieth of one connection.
 *  2. A failed reading is not kept.
 */
import type { Outcome } from "./outbox.ts";

const SHORTEST_MS = 1_000;
const REST = 20;

export class StatsCache<T> {
  readonly #read: () => Promise<Outcome<T>>;
  readonly #now: () => number;
  #reading: Promise<Outcome<T>> | null = null;
  #last: Outcome<T> | null = null;
  #freshUntil = Number.NEGATIVE_INFINITY;

  /** @param now monotonic milliseconds */
  constructor(read: () => Promise<Outcome<T>>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  read(): Promise<Outcome<T>> {
    if (this.#last !== null && this.#now() < this.#freshUntil) return Promise.resolve(this.#last);
    this.#reading ??= this.#refresh();
    return this.#reading;
  }

  async #refresh(): Promise<Outcome<T>> {
    const startedAt = this.#now();
    const stats = await this.#read();
    const endedAt = this.#now();
    this.#reading = null;
    this.#last = stats.ok ? stats : null;
    this.#freshUntil = endedAt + Math.max(SHORTEST_MS, REST * (endedAt - startedAt));
    return stats;
  }
}
