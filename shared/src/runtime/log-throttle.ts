/**
 * Limits how often a kind of line is logged: what other systems send must not fill the log.
 *
 * Invariants:
 *  THROTTLE-1. The first line of a kind is logged immediately, the next one after `periodMs` at the earliest; it says how
 *     many were left out.
 *  THROTTLE-2. At most `kinds` kinds are remembered; further ones share one entry. Kinds older than `periodMs` are dropped.
 */
import type { Clock } from "./clock.ts";

interface Entry {
  loggedAt: number;
  unsaid: number;
}

export class LogThrottle {
  readonly #clock: Pick<Clock, "now">;
  readonly #periodMs: number;
  readonly #kinds: number;
  readonly #entries = new Map<string, Entry>();
  /** At most one sweep per period: a flood of new kinds must not cost a walk through the map each time. */
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, "now">, periodMs = 60_000, kinds = 100) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#kinds = kinds;
  }

  /** @returns how many lines of this kind were left out since the last one, or null: do not log now */
  admit(kind: string): number | null {
    const now = this.#clock.now();
    if (!this.#entries.has(kind) && this.#entries.size >= this.#kinds) this.#sweep(now);
    const key = this.#entries.has(kind) || this.#entries.size < this.#kinds ? kind : ""; // THROTTLE-2
    const last = this.#entries.get(key);
    if (last !== undefined && now - last.loggedAt < this.#periodMs) {
      last.unsaid++;
      return null; // THROTTLE-1
    }
    this.#entries.set(key, { loggedAt: now, unsaid: 0 });
    return last?.unsaid ?? 0;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < this.#periodMs) return;
    this.#sweptAt = now;
    for (const [kind, { loggedAt }] of this.#entries) if (now - loggedAt >= this.#periodMs) this.#entries.delete(kind);
  }
}
