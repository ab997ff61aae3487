/**
 * Who watches an instance from elsewhere. A viewer says so every few seconds; one that is silent for longer has left,
 * whatever became of it.
 *
 * Invariants:
 *  1. `onChange` is told when the first one comes and when the last one has left, and at no other time.
 *  2. At most `MOST` are remembered: one more changes nothing, being watched is being watched.
 */
export const BEAT_EVERY_MS = 5_000;
export const LEFT_AFTER_MS = 12_000;
const SWEEP_EVERY_MS = 1_000;
const MOST = 1_000;

export interface ViewersOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly onChange: (present: boolean) => void;
}

export class Viewers {
  readonly #options: ViewersOptions;
  readonly #heardAt = new Map<string, number>();
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: ViewersOptions) {
    this.#options = options;
  }

  get present(): boolean {
    return this.#heardAt.size > 0;
  }

  beat(viewer: string): void {
    if (!this.#heardAt.has(viewer) && this.#heardAt.size >= MOST) return;
    const first = !this.present;
    this.#heardAt.set(viewer, this.#options.now());
    if (!first) return;
    this.#sweep = setInterval(() => this.#forgetSilent(), SWEEP_EVERY_MS);
    this.#options.onChange(true);
  }

  leave(viewer: string): void {
    if (!this.#heardAt.delete(viewer) || this.present) return;
    this.#stopSweep();
    this.#options.onChange(false);
  }

  /** Forgets all, and tells nobody. Twice is fine. */
  stop(): void {
    this.#stopSweep();
    this.#heardAt.clear();
  }

  #forgetSilent(): void {
    const oldest = this.#options.now() - LEFT_AFTER_MS;
    for (const [viewer, heardAt] of [...this.#heardAt]) if (heardAt < oldest) this.leave(viewer);
  }

  #stopSweep(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
  }
}
