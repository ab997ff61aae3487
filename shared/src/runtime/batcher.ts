/**
 * Collects items into batches. With no batch in flight, a batch starts at the end of the event-loop turn; otherwise it
 * starts when it is full, `delayMs` after its first item, or when a running batch ends. At light load an item does not
 * wait; under load batches grow.
 *
 * Invariants:
 *  BATCH-1. At most `concurrency` batches run at a time; the items of one batch stay in order.
 *  BATCH-2. At most `capacity` items wait; `add` returns false for the next one and does not keep it.
 *  BATCH-3. After `drain` resolved no batch runs, and every item was given to the worker exactly once.
 *  BATCH-4. A worker that throws ends no process and stops no later batch.
 */
import type { ListenerGuard } from "./guarded-listener.ts";

export interface BatchWorker<T> {
  /** Handles one batch; a failure that it expects it reports itself. */
  work(batch: T[]): Promise<void>;
}

export interface BatcherOptions<T> {
  readonly maxBatch: number;
  readonly delayMs: number;
  readonly capacity: number;
  readonly concurrency: number;
  readonly worker: BatchWorker<T>;
  /** Counts and logs what the worker throws; without it, Node prints a process warning. */
  readonly guard?: Pick<ListenerGuard, "failed"> | undefined;
}

export class Batcher<T> {
  readonly #options: BatcherOptions<T>;
  readonly #flush = (): void => this.#start();
  #waiting: T[] = [];
  #running = 0;
  #timer: NodeJS.Timeout | null = null;
  #turn: NodeJS.Immediate | null = null;
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions<T>) {
    this.#options = options;
  }

  /** Items that wait; running batches do not count. */
  get size(): number {
    return this.#waiting.length;
  }

  /** @returns false when the batcher is full or closed; it does not keep the item then */
  add(item: T): boolean {
    const { capacity, concurrency, maxBatch, delayMs } = this.#options;
    if (this.#closed || this.#waiting.length >= capacity) return false; // BATCH-2
    this.#waiting.push(item);
    if (this.#running >= concurrency) return true;
    if (this.#waiting.length >= maxBatch) this.#start();
    else if (this.#running === 0) this.#turn ??= setImmediate(this.#flush);
    else this.#timer ??= setTimeout(this.#flush, delayMs);
    return true;
  }

  /** Starts what waits and resolves when all batches have ended. `add` returns false from now on. */
  drain(): Promise<void> {
    this.#closed = true;
    this.#start();
    if (this.#running === 0 && this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve)); // BATCH-3
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#timer = null;
    this.#turn = null;
    const { maxBatch, concurrency } = this.#options;
    while (this.#waiting.length > 0 && this.#running < concurrency) {
      const batch = this.#waiting.length <= maxBatch ? this.#waiting : this.#waiting.slice(0, maxBatch);
      this.#waiting = batch === this.#waiting ? [] : this.#waiting.slice(maxBatch);
      this.#running++; // BATCH-1
      void this.#run(batch);
    }
  }

  async #run(batch: T[]): Promise<void> {
    const { worker, guard } = this.#options;
    try {
      await worker.work(batch);
    } catch (error) {
      // BATCH-4
      if (guard !== undefined) guard.failed("batch", error);
      else process.emitWarning(error instanceof Error ? error : String(error));
    }
    this.#running--;
    if (this.#waiting.length > 0) this.#start();
    else if (this.#running === 0) for (const done of this.#onIdle.splice(0)) done();
  }
}
