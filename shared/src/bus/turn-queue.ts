/**
 * What came from the network and waits for its turn. The NATS client calls back for all that a socket has buffered without
 * leaving the microtask queue: at 5,000 messages a second MQTT and PostgreSQL waited 100 ms and more for their turn.
 *
 * Invariants:
 *  TURN-1. In one turn of the event loop tasks run for `SLICE_MS`, and for as long as the last of them takes.
 *  TURN-2. At most `mostTasks` wait, and `mostBytes` of what they hold; one more is refused.
 *  TURN-3. Tasks run in their order. After `stop` none runs; twice is fine.
 */
const SLICE_MS = 4;

export interface TurnQueueOptions {
  readonly mostTasks: number;
  readonly mostBytes: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Waiting {
  readonly bytes: number;
  /** Never throws. */
  readonly run: () => void;
}

export class TurnQueue {
  readonly #options: TurnQueueOptions;
  #waiting: Waiting[] = [];
  /** Of `waiting`, the next to run: a shift of each would cost more than what it runs. */
  #next = 0;
  #bytes = 0;
  #turn: NodeJS.Immediate | null = null;
  #stopped = false;

  constructor(options: TurnQueueOptions) {
    this.#options = options;
  }

  /** @param run never throws. @returns false when it is refused */
  push(bytes: number, run: () => void): boolean {
    const { mostTasks, mostBytes } = this.#options;
    if (this.#stopped || this.#waiting.length - this.#next >= mostTasks || this.#bytes + bytes > mostBytes)
      return false;
    this.#waiting.push({ bytes, run });
    this.#bytes += bytes;
    this.#turn ??= setImmediate(() => this.#runSome());
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#next = 0;
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  #runSome(): void {
    const { now } = this.#options;
    const end = now() + SLICE_MS;
    this.#turn = null;
    do {
      const task = this.#waiting[this.#next++];
      if (task === undefined) break;
      this.#bytes -= task.bytes;
      task.run();
    } while (now() < end);
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else {
      // What has run is let go of: a queue that is never empty would keep it.
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
      if (!this.#stopped) this.#turn ??= setImmediate(() => this.#runSome());
    }
  }
}
