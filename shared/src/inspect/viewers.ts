/**
 * Which other processes watch this instance. A viewer sends a beat every few seconds; one that is silent for longer has left.
 *
 * Invariants:
 *  VIEWERS-1. The observer is notified when the first viewer comes and when the last one has left, and at no other time.
 *  VIEWERS-2. At most `MOST` viewers are remembered; further ones are ignored, since watched is watched.
 */
import type { Clock } from "../runtime/clock.ts";

export const BEAT_EVERY_MS = 5_000;
export const LEFT_AFTER_MS = 12_000;
const SWEEP_EVERY_MS = 1_000;
const MOST = 1_000;

export interface ViewersObserver {
  viewersChanged(present: boolean): void;
}

export class Viewers {
  readonly #clock: Pick<Clock, "now">;
  readonly #observer: ViewersObserver;
  readonly #heardAt = new Map<string, number>();
  #sweep: NodeJS.Timeout | null = null;

  constructor(clock: Pick<Clock, "now">, observer: ViewersObserver) {
    this.#clock = clock;
    this.#observer = observer;
  }

  get present(): boolean {
    return this.#heardAt.size > 0;
  }

  beat(viewer: string): void {
    if (!this.#heardAt.has(viewer) && this.#heardAt.size >= MOST) return; // VIEWERS-2
    const first = !this.present;
    this.#heardAt.set(viewer, this.#clock.now());
    if (!first) return;
    this.#sweep = setInterval(() => this.#forgetSilent(), SWEEP_EVERY_MS);
    this.#observer.viewersChanged(true); // VIEWERS-1
  }

  leave(viewer: string): void {
    if (!this.#heardAt.delete(viewer) || this.present) return;
    this.#stopSweep();
    this.#observer.viewersChanged(false); // VIEWERS-1
  }

  /** Forgets all viewers without notifying the observer. */
  stop(): void {
    this.#stopSweep();
    this.#heardAt.clear();
  }

  #forgetSilent(): void {
    const oldest = this.#clock.now() - LEFT_AFTER_MS;
    for (const [viewer, heardAt] of [...this.#heardAt]) if (heardAt < oldest) this.leave(viewer);
  }

  #stopSweep(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
  }
}
