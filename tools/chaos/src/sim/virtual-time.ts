/**
 * Simulated time: all timers of the process run in an order that only the seed decides.
 *
 * Invariants:
 *  VIRTUAL_TIME-1. Events run one at a time, by their time, then by the order in which they were set. All promise callbacks
 *                  of an event run before the next event.
 *  VIRTUAL_TIME-2. An event belongs to the simulated process that set it, and does not run after the end of that process.
 *  VIRTUAL_TIME-3. `uninstall` restores the real timers.
 */
import type { Clock, Random } from "@acktor/shared/runtime/clock";

/** Time and chance of one simulated process. */
export interface SimTime {
  readonly clock: Clock;
  readonly random: Random;
}

export interface SimProcess {
  readonly name: string;
  alive: boolean;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly owner: SimProcess;
  readonly work: () => void;
  cancelled: boolean;
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
};

/** Owner of the events that the simulation itself sets; it never dies. */
const WORLD: SimProcess = { name: "world", alive: true };

/** Node's shortest delay. With fractions of a millisecond the time might never advance. */
const LEAST_MS = 1;
/** An arbitrary day, the same in each run. */
const EPOCH_MS = 1_800_000_000_000;

export class VirtualTime {
  now = 0;
  readonly clock: Clock = { now: () => this.now, wallClock: () => EPOCH_MS + this.now };
  #order = 0;
  #current: SimProcess = WORLD;
  readonly #heap: Event[] = [];
  /** Called after each event and all its promise callbacks. */
  onStep: () => void = () => undefined;

  /** Sets an event that belongs to the world. */
  later(delayMs: number, work: () => void): void {
    this.#add(delayMs, WORLD, work);
  }

  /** Runs `work` as this process: the timers that it sets belong to the process. */
  as<T>(owner: SimProcess, work: () => T): T {
    const before = this.#current;
    this.#current = owner;
    try {
      return work();
    } finally {
      this.#current = before;
    }
  }

  /** Sets an event that belongs to `owner`: it does not run after the owner's death. */
  laterAs(owner: SimProcess, delayMs: number, work: () => void): void {
    this.#add(delayMs, owner, work);
  }

  get current(): SimProcess {
    return this.#current;
  }

  install(): void {
    const set = (work: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): unknown => {
      return this.#add(Math.max(LEAST_MS, delayMs), this.#current, () => work(...args));
    };
    const clear = (event: unknown): void => {
      if (typeof event === "object" && event !== null && "cancelled" in event) (event as Event).cancelled = true;
    };
    const repeat = (work: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): unknown => {
      const owner = this.#current;
      const handle = { cancelled: false };
      const next = (): void => {
        this.#add(delayMs, owner, () => {
          if (handle.cancelled) return;
          work(...args);
          if (!handle.cancelled) next();
        });
      };
      next();
      return handle;
    };
    const now = (work: (...args: unknown[]) => void, ...args: unknown[]): unknown =>
      this.#add(0, this.#current, () => work(...args));
    Object.assign(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: repeat,
      clearInterval: clear,
      setImmediate: now,
      clearImmediate: clear,
    });
  }

  uninstall(): void {
    Object.assign(globalThis, real); // VIRTUAL_TIME-3
  }

  /** Runs events until `isOver`, until nothing is left, or until `limitMs` of simulated time. */
  async run(limitMs: number, isOver: () => boolean): Promise<void> {
    for (let event = this.#take(); event !== null; event = this.#take()) {
      if (event.at > limitMs) return;
      this.now = event.at;
      this.#current = event.owner;
      event.work();
      // VIRTUAL_TIME-1: at the end of a turn all promise callbacks have run.
      await new Promise<void>((resolve) => real.setImmediate(resolve));
      this.#current = WORLD;
      this.onStep();
      if (isOver()) return;
    }
  }

  #add(delayMs: number, owner: SimProcess, work: () => void): Event {
    const at = this.now + Math.max(0, delayMs);
    const event: Event = { at, order: this.#order++, owner, work, cancelled: false };
    this.#heap.push(event);
    this.#rise(this.#heap.length - 1);
    return event;
  }

  #take(): Event | null {
    for (;;) {
      const [first] = this.#heap;
      const last = this.#heap.pop();
      if (first === undefined || last === undefined) return null;
      if (first !== last) {
        this.#heap[0] = last;
        this.#sink();
      }
      if (!first.cancelled && first.owner.alive) return first; // VIRTUAL_TIME-2
    }
  }

  #rise(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#swapIfBefore(i, parent)) return;
      i = parent;
    }
  }

  #sink(): void {
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (this.#isBefore(left, least)) least = left;
      if (this.#isBefore(right, least)) least = right;
      if (least === i) return;
      this.#swapIfBefore(least, i);
      i = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined) return false;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }

  #swapIfBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined || !this.#isBefore(a, b)) return false;
    this.#heap[a] = y;
    this.#heap[b] = x;
    return true;
  }
}
