/**
 * A statement that counts, shared by all callers however often they call.
 *
 * Invariants:
 *  STATS_CACHE-1. At most one reading is in progress, and the next begins a second after it at the earliest, or twenty times
 *                 its duration later: counting never takes more than a twentieth of one connection.
 *  STATS_CACHE-2. A failed reading is not kept.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Outcome } from "./outbox.ts";

const SHORTEST_MS = 1_000;
const REST = 20;

export class StatsCache<T> {
  readonly #read: () => Promise<Outcome<T>>;
  readonly #clock: Pick<Clock, "now">;
  #reading: Promise<Outcome<T>> | null = null;
  #last: Outcome<T> | null = null;
  #freshUntil = Number.NEGATIVE_INFINITY;

  constructor(read: () => Promise<Outcome<T>>, clock: Pick<Clock, "now">) {
    this.#read = read;
    this.#clock = clock;
  }

  read(): Promise<Outcome<T>> {
    if (this.#last !== null && this.#clock.now() < this.#freshUntil) return Promise.resolve(this.#last);
    this.#reading ??= this.#refresh(); // STATS_CACHE-1
    return this.#reading;
  }

  async #refresh(): Promise<Outcome<T>> {
    const startedAt = this.#clock.now();
    const stats = await this.#read();
    const endedAt = this.#clock.now();
    this.#reading = null;
    this.#last = stats.ok ? stats : null; // STATS_CACHE-2
    // STATS_CACHE-1
    this.#freshUntil = endedAt + Math.max(SHORTEST_MS, REST * (endedAt - startedAt));
    return stats;
  }
}
