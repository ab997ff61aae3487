/**
 * Collects items into batches: a batch leaves at the end of the event-loop turn when nothing is under way; else when it is
 * full, or `delayMs` after its first item, or when the previous one is done. At light load an item waits for nobody; under
 * load batches grow by themselves.
 *
 * Invariants:
 *  1. At most `concurrency` batches are under way; items of one batch stay in order.
 *  2. At most `capacity` items wait; `add` says false for the next one and keeps nothing.
 *  3. After `drain` resolved nothing is under way, and every item was handed to `work` exactly once.
 *  BATCH-4. A batch whose `work` throws ends no process and stops no later batch.
 */
import type { ListenerGuard } from "./guarded-listener.ts";

export interface Batcher<T> {
  /** False when the batcher is full or stopped; the item is then the caller's. */
  add(item: T): boolean;
  /** Items that wait, not counting those under way. */
  size(): number;
  /** Hands over what waits and resolves when all of it is done; nothing is taken afterwards. Twice is fine. */
  drain(): Promise<void>;
}

export interface BatcherOptions<T> {
  readonly maxBatch: number;
  readonly delayMs: number;
  readonly capacity: number;
  readonly concurrency: number;
  /** Expected failures are its own business. */
  readonly work: (batch: T[]) => Promise<void>;
  /** Takes what `work` rejected with, a fault of its own; left out: a warning of the process. The next batch is worked on. */
  readonly onThrow?: (error: unknown) => void;
  /** Catches what it rejects with all the same, where items come from strangers. */
  readonly guard?: ListenerGuard | undefined;
}

export function createBatcher<T>(options: BatcherOptions<T>): Batcher<T> {
  const { maxBatch, delayMs, capacity, concurrency, guard } = options;
  const work = guard === undefined ? options.work : guard.around("batch", options.work);
  const { onThrow = (error: unknown): void => process.emitWarning(error instanceof Error ? error : String(error)) } =
    options;
  let waiting: T[] = [];
  let running = 0;
  let timer: NodeJS.Timeout | null = null;
  let turn: NodeJS.Immediate | null = null;
  let closed = false;
  const onIdle: (() => void)[] = [];

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    if (turn !== null) clearImmediate(turn);
    timer = null;
    turn = null;
    while (waiting.length > 0 && running < concurrency) {
      const batch = waiting.length <= maxBatch ? waiting : waiting.slice(0, maxBatch);
      waiting = batch === waiting ? [] : waiting.slice(maxBatch);
      running++;
      void run(batch)
        .catch(onThrow)
        .finally(() => {
          running--;
          if (waiting.length > 0) flush();
          else if (running === 0) for (const done of onIdle.splice(0)) done();
        });
    }
  }

  /** Begins at once; what `work` throws before its first wait is a rejection as well. */
  async function run(batch: T[]): Promise<void> {
    await work(batch);
  }

  function arm(): void {
    if (closed || waiting.length >= maxBatch) flush();
    else if (running === 0) turn ??= setImmediate(flush);
    else timer ??= setTimeout(flush, delayMs);
  }

  return {
    add(item) {
      if (closed || waiting.length >= capacity) return false;
      waiting.push(item);
      if (running < concurrency) arm();
      return true;
    },
    size: () => waiting.length,
    drain() {
      closed = true;
      flush();
      if (running === 0 && waiting.length === 0) return Promise.resolve();
      return new Promise((resolve) => onIdle.push(resolve));
    },
  };
}
