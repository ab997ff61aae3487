/**
 * Messages from the network that wait for their turn. The NATS client calls back for all that a socket has buffered without
 * leaving the microtask queue: at 5,000 messages a second MQTT and PostgreSQL waited 100 ms and more for their turn.
 *
 * Invariants:
 *  TURN-1. In one turn of the event loop tasks run for `SLICE_MS`, and for as long as the last of them takes.
 *  TURN-2. At most `mostTasks` wait, and they hold at most `mostBytes`; one more is rejected.
 *  TURN-3. Tasks run in their order. After `stop` none runs.
 */
import type { Clock } from "../runtime/clock.ts";

const SLICE_MS = 4;

export interface TurnQueueOptions {
  readonly mostTasks: number;
  readonly mostBytes: number;
  readonly clock: Pick<Clock, "now">;
}

export interface Task {
  /** What it keeps in memory. */
  readonly bytes: number;
  /** Never throws. */
  run(): void;
}

export class TurnQueue {
  readonly #options: TurnQueueOptions;
  #waiting: Task[] = [];
  /** Index in `#waiting` of the next task: a shift for each would cost more than the task. */
  #next = 0;
  #bytes = 0;
  #turn: NodeJS.Immediate | null = null;
  #stopped = false;

  constructor(options: TurnQueueOptions) {
    this.#options = options;
  }

  /** @returns false when the task is rejected. TURN-2 */
  push(task: Task): boolean {
    const { mostTasks, mostBytes } = this.#options;
    if (this.#stopped || this.#waiting.length - this.#next >= mostTasks || this.#bytes + task.bytes > mostBytes)
      return false;
    this.#waiting.push(task);
    this.#bytes += task.bytes;
    this.#turn ??= setImmediate(() => this.#runSome());
    return true;
  }

  /** TURN-3 */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#next = 0;
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#turn = null;
  }

  #runSome(): void {
    const { clock } = this.#options;
    const end = clock.now() + SLICE_MS; // TURN-1
    this.#turn = null;
    do {
      const task = this.#waiting[this.#next++];
      if (task === undefined) break;
      this.#bytes -= task.bytes;
      task.run();
    } while (clock.now() < end);
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    } else {
      // Tasks that have run are released: a queue that is never empty would keep them.
      this.#waiting.splice(0, this.#next);
      this.#next = 0;
      if (!this.#stopped) this.#turn ??= setImmediate(() => this.#runSome());
    }
  }
}
