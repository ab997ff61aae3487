/**
 * Work that strangers cause, done in short slices of the event loop, so that a flood leaves most of it to messages.
 *
 * Invariants:
 *  PACED-1. A slice ends with the first step after `SLICE_MS`; what is left waits for `REST` times as long as the slice took.
 *  PACED-2. Work that is alone is done immediately: `wake` runs the first slice before it returns.
 *  PACED-3. A step that throws ends its slice and no process; the next slice continues with the next step.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";

export interface Stepped {
  /** Does one step. @returns true when there is more to do */
  step(): boolean;
}

export interface PacedWorkOptions {
  /** What a log calls the work. */
  readonly name: string;
  readonly work: Stepped;
  readonly guard: ListenerGuard;
  readonly clock: Clock;
}

const SLICE_MS = 5;
/** A quarter of the time at most. */
const REST = 3;

export class PacedWork {
  readonly #work: Stepped;
  readonly #clock: Clock;
  readonly #slice: () => void;
  #timer: NodeJS.Timeout | null = null;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #running = false;
  #stopped = false;

  constructor({ name, work, guard, clock }: PacedWorkOptions) {
    this.#work = work;
    this.#clock = clock;
    this.#slice = guard.wrap(name, () => this.#run());
  }

  /** There is something to do. Cheap when that is known already. */
  wake(): void {
    if (this.#stopped || this.#running || this.#timer !== null) return;
    const rest = this.#restsUntil - this.#clock.now();
    if (rest > 0) this.#later(rest);
    // PACED-2
    else this.#slice();
  }

  /** May be called early; a second call has no effect. Work that is left is not done. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #run(): void {
    const startedAt = this.#clock.now();
    // PACED-3: also when a step throws, the rest of the work continues in the next slice.
    let more = true;
    this.#running = true;
    try {
      // PACED-1
      while (more && this.#clock.now() - startedAt < SLICE_MS) more = this.#work.step();
    } finally {
      this.#running = false;
      const took = this.#clock.now() - startedAt;
      this.#restsUntil = startedAt + took * (REST + 1);
      if (more && !this.#stopped) this.#later(took * REST);
    }
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#slice();
    }, ms);
    this.#timer.unref();
  }
}
