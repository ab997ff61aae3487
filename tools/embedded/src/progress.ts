/**
 * Reports the steps of a start or a stop to people.
 *
 * Invariants:
 *  PROGRESS-1. While a step runs, a line appears at least every QUIET_MS.
 */
import type { Clock } from "@acktor/shared/runtime/clock";

/** Takes progress, one line at a time. */
export interface Narrator {
  say(line: string): void;
}

export const SILENT: Narrator = {
  say() {
    // For tests and tools.
  },
};

export const QUIET_MS = 4_000;

export class Progress implements Narrator {
  readonly #narrator: Narrator;
  readonly #clock: Pick<Clock, "now">;
  #step: string | null = null;
  #begunAt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(narrator: Narrator, clock: Pick<Clock, "now">) {
    this.#narrator = narrator;
    this.#clock = clock;
  }

  say(line: string): void {
    this.#narrator.say(line);
    if (this.#step !== null) this.#arm();
  }

  /** Begins a step, which ends the previous one. @param step as in `starting PostgreSQL` */
  begin(step: string): void {
    this.#step = step;
    this.#begunAt = this.#clock.now();
    this.#arm();
  }

  end(): void {
    this.#step = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** PROGRESS-1 */
  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.say(`            ${this.#step}: ${Math.round((this.#clock.now() - this.#begunAt) / 1_000)} s`);
    }, QUIET_MS);
    this.#timer.unref();
  }
}
