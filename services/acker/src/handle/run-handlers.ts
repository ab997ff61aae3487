/**
 * Runs a handler for many messages, a bounded number at a time.
 *
 * Invariants:
 *  1. `run` always resolves: with the handler's result, or with a rejection when it threw, gave nonsense, or did not
 *     answer in time. It never rejects.
 *     One that kept the event loop to itself for longer than its time is late as well, though its timer had no turn.
 *  2. At most `concurrency` are waited for. A handler that ignores its signal holds no place after its time, but is
 *     counted in `stuck` until it returns.
 *  3. What waits is bounded by the caller: the intake's credit is held until the message is finished.
 *  4. After `stop` whatever runs or waits ends as null: nobody knows, the message is to be handled again.
 *  5. A handler that answers at once costs no promise, no timer and no signal: one timer stands for all that run, and a
 *     signal is made when it is asked for. (An AbortController alone was a tenth of the acker's CPU.)
 */
import { printable } from "@acktor/shared/runtime/logger";
import type { InboxMessage } from "../inbox/message.ts";
import type { AfterHandler, HandleContext, HandleResult } from "./handler.ts";
import { isThenable } from "./is-thenable.ts";

/** One message's turn. */
export interface HandlerJob {
  readonly message: InboxMessage;
  /** Nobody waits for it any more: it is not begun. */
  readonly isCancelled?: boolean;
  /** The handler wants to be left alone for so many more milliseconds. */
  working(forMs: number): void;
  /** Called once; null: given back. */
  done(result: HandleResult | null): void;
}

export interface HandlerRunner {
  run(job: HandlerJob): void;
  running(): number;
  waiting(): number;
  stuck(): number;
  /** Aborts what runs, gives back what waits. Twice is fine. */
  stop(): void;
}

export interface HandlerRunnerOptions {
  readonly handler: AfterHandler;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

const MAX_REASON = 300;

/** What a handler gets to know while it runs. */
class Run implements HandleContext {
  readonly job: HandlerJob;
  readonly startedAt: number;
  /** Waited for. */
  isOpen = true;
  /** Given up, and not yet back. */
  isOverdue = false;
  #abort: AbortController | null = null;
  #aborted = false;

  constructor(job: HandlerJob, startedAt: number) {
    this.job = job;
    this.startedAt = startedAt;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted) this.#abort.abort();
    return this.#abort.signal;
  }

  /** A function of its own, so that it may be taken out of the context. */
  get working(): (forMs: number) => void {
    return (forMs) => {
      if (this.isOpen) this.job.working(forMs);
    };
  }

  abort(): void {
    this.#aborted = true;
    this.#abort?.abort();
  }
}

export function createHandlerRunner(options: HandlerRunnerOptions): HandlerRunner {
  const { handler, concurrency, timeoutMs, now } = options;
  const queue: HandlerJob[] = [];
  /** Oldest first, so the first is the first to be late. */
  const open = new Set<Run>();
  let timer: NodeJS.Timeout | null = null;
  let stuck = 0;
  let stopped = false;
  let isBeginning = false;

  /** A handler that answers at once ends in here; the loop, not the stack, goes on with the next. */
  function next(): void {
    if (isBeginning) return;
    isBeginning = true;
    while (open.size < concurrency) {
      const job = queue.shift();
      if (job === undefined) break;
      if (job.isCancelled !== true) begin(job);
    }
    isBeginning = false;
  }

  function begin(job: HandlerJob): void {
    const run = new Run(job, now());
    open.add(run);
    timer ??= setTimeout(giveUpLate, timeoutMs);
    try {
      const result = handler.handle(job.message, run);
      if (isThenable(result)) void follow(run, result);
      else answer(run, checked(result));
    } catch (error) {
      answer(run, failed(error));
    }
  }

  async function follow(run: Run, result: PromiseLike<unknown>): Promise<void> {
    try {
      answer(run, checked(await result));
    } catch (error) {
      answer(run, failed(error));
    }
  }

  function answer(run: Run, result: HandleResult): void {
    if (run.isOverdue) stuck--;
    if (!run.isOpen) return;
    const tookMs = now() - run.startedAt;
    settle(run, tookMs <= timeoutMs ? result : retryable(`the handler kept the process busy for ${tookMs / 1_000} s`));
  }

  function settle(run: Run, result: HandleResult | null): void {
    if (!open.delete(run)) return;
    run.isOpen = false;
    if (result === null || run.isOverdue) run.abort();
    run.job.done(result);
    if (!stopped) next();
  }

  function giveUpLate(): void {
    timer = null;
    for (const run of open) {
      const leftMs = timeoutMs - (now() - run.startedAt);
      if (leftMs > 0) {
        timer ??= setTimeout(giveUpLate, leftMs);
        return;
      }
      run.isOverdue = true;
      stuck++;
      settle(run, retryable(`the handler did not answer within ${timeoutMs / 1_000} s`));
    }
  }

  return {
    run(job) {
      if (stopped) {
        job.done(null);
        return;
      }
      queue.push(job);
      next();
    },
    running: () => open.size,
    waiting: () => queue.length,
    stuck: () => stuck,
    stop() {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      for (const job of queue.splice(0)) job.done(null);
      for (const run of [...open]) settle(run, null);
    },
  };
}

/** Anything can be thrown, also what cannot be made a text. */
function failed(error: unknown): HandleResult {
  try {
    return retryable(`the handler failed: ${error instanceof Error ? error.message : String(error)}`);
  } catch {
    return retryable("the handler failed");
  }
}

/** Handlers come from outside, where types may be absent. */
function checked(result: unknown): HandleResult {
  const { kind, effect, reason, retryable: again, retryAfterMs } = (result ?? {}) as Record<string, unknown>;
  if (kind === "processed" && (effect === undefined || isEffect(effect))) return result as HandleResult;
  if (kind !== "rejected" || typeof reason !== "string" || typeof again !== "boolean") {
    return retryable("the handler returned neither processed, nor rejected, nor an effect");
  }
  const rejected = { kind, reason: printable(reason, MAX_REASON), retryable: again } as const;
  const hasWait = typeof retryAfterMs === "number" && retryAfterMs >= 0;
  return hasWait ? { ...rejected, retryAfterMs } : rejected;
}

function isEffect(effect: unknown): boolean {
  const { kind, texts, values, work } = (effect ?? {}) as Record<string, unknown>;
  if (kind === "transaction") return typeof work === "function";
  return kind === "fragment" && Array.isArray(texts) && Array.isArray(values) && texts.length === values.length + 1;
}

function retryable(reason: string): HandleResult {
  return { kind: "rejected", reason: printable(reason, MAX_REASON).toWellFormed(), retryable: true };
}
