/**
 * Runs a handler for many messages, a bounded number at a time.
 *
 * What waits is bounded by the caller: the intake holds a message's place until the message is finished. A handler that
 * answers immediately costs no promise, no timer and no signal: one timer serves all that run, and a signal is made when
 * the handler asks for it. (An AbortController alone was a tenth of the acker's CPU.)
 *
 * Invariants:
 *  RUNNER-1. Every job is done once: with the handler's result; or with a rejection when the handler threw, returned
 *            another thing, or did not answer in time. A handler that blocked the event loop for longer than its time is
 *            late as well, though its timer had no turn.
 *  RUNNER-2. At most `concurrency` handlers are waited for. A handler that ignores its signal holds no place after its
 *            time, but counts as stuck until it returns.
 *  RUNNER-3. After `stop` every job is done as null: its outcome is unknown, and the message is handled again.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import { printable } from "@acktor/shared/runtime/logger";
import type { InboxMessage } from "../inbox/message.ts";
import type { AfterHandler, HandleContext, HandleResult } from "./handlers/handler.ts";
import { isThenable } from "./is-thenable.ts";

/** One message for the handler. */
export interface HandlerJob {
  readonly message: InboxMessage;
  /** True: its handler begins now. False: it is no longer wanted. */
  begin(): boolean;
  /** The handler asks to be left alone for so many more milliseconds. */
  working(forMs: number): void;
  /** Called once; null: given back. */
  done(result: HandleResult | null): void;
}

export interface Runner {
  run(job: HandlerJob): void;
  running(): number;
  waiting(): number;
  stuck(): number;
  /** Aborts what runs, gives back what waits. A second call has no effect. */
  stop(): void;
}

export interface HandlerRunnerParts {
  readonly handler: AfterHandler;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, "now">;
}

const MAX_REASON = 300;

/** One handler at work, as the handler sees it. */
class Run implements HandleContext {
  readonly job: HandlerJob;
  readonly startedAt: number;
  /** Waited for. Written by the runner's `#settle`. */
  isOpen = true;
  /** Given up, and not returned yet. Written by the runner's `#giveUpLate`. */
  isOverdue = false;
  #abort: AbortController | null = null;
  #isAborted = false;

  constructor(job: HandlerJob, startedAt: number) {
    this.job = job;
    this.startedAt = startedAt;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isAborted) this.#abort.abort();
    return this.#abort.signal;
  }

  /** A function, so that handlers may take it out of the context. */
  get working(): (forMs: number) => void {
    return (forMs) => {
      if (this.isOpen) this.job.working(forMs);
    };
  }

  abort(): void {
    this.#isAborted = true;
    this.#abort?.abort();
  }
}

export class HandlerRunner implements Runner {
  readonly #parts: HandlerRunnerParts;
  readonly #queue: HandlerJob[] = [];
  /** Oldest first, so the first is the first to be late. */
  readonly #open = new Set<Run>();
  /** Runs until the oldest is late. Written by `#begin`, `#giveUpLate` and `stop`. */
  #timer: NodeJS.Timeout | null = null;
  #stuck = 0;
  #isStopped = false;
  /** Written by `#next` alone. */
  #isBeginning = false;

  constructor(parts: HandlerRunnerParts) {
    this.#parts = parts;
  }

  run(job: HandlerJob): void {
    // RUNNER-3
    if (this.#isStopped) {
      job.done(null);
      return;
    }
    this.#queue.push(job);
    this.#next();
  }

  running(): number {
    return this.#open.size;
  }

  waiting(): number {
    return this.#queue.length;
  }

  stuck(): number {
    return this.#stuck;
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // RUNNER-3
    for (const job of this.#queue.splice(0)) job.done(null);
    for (const run of [...this.#open]) this.#settle(run, null);
  }

  /** A handler that answers immediately ends in here: the loop, not the stack, continues with the next one. */
  #next(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    // RUNNER-2
    while (this.#open.size < this.#parts.concurrency) {
      const job = this.#queue.shift();
      if (job === undefined) break;
      if (job.begin()) this.#begin(job);
    }
    this.#isBeginning = false;
  }

  #begin(job: HandlerJob): void {
    const { clock, handler, timeoutMs } = this.#parts;
    const run = new Run(job, clock.now());
    this.#open.add(run);
    this.#timer ??= setTimeout(() => this.#giveUpLate(), timeoutMs);
    try {
      const result = handler.handle(job.message, run);
      if (isThenable(result)) void this.#follow(run, result);
      else this.#answer(run, checked(result));
    } catch (error) {
      this.#answer(run, failed(error));
    }
  }

  async #follow(run: Run, result: PromiseLike<unknown>): Promise<void> {
    try {
      this.#answer(run, checked(await result));
    } catch (error) {
      this.#answer(run, failed(error));
    }
  }

  #answer(run: Run, result: HandleResult): void {
    const { clock, timeoutMs } = this.#parts;
    if (run.isOverdue) this.#stuck--;
    if (!run.isOpen) return;
    const tookMs = clock.now() - run.startedAt;
    // RUNNER-1
    const isLate = tookMs > timeoutMs;
    this.#settle(run, isLate ? retryable(`the handler kept the process busy for ${tookMs / 1_000} s`) : result);
  }

  #settle(run: Run, result: HandleResult | null): void {
    if (!this.#open.delete(run)) return;
    run.isOpen = false;
    if (result === null || run.isOverdue) run.abort();
    run.job.done(result);
    if (!this.#isStopped) this.#next();
  }

  /** RUNNER-1, RUNNER-2 */
  #giveUpLate(): void {
    const { clock, timeoutMs } = this.#parts;
    this.#timer = null;
    for (const run of this.#open) {
      const leftMs = timeoutMs - (clock.now() - run.startedAt);
      if (leftMs > 0) {
        this.#timer ??= setTimeout(() => this.#giveUpLate(), leftMs);
        return;
      }
      run.isOverdue = true;
      this.#stuck++;
      this.#settle(run, retryable(`the handler did not answer within ${timeoutMs / 1_000} s`));
    }
  }
}

/** Anything can be thrown, also a value that has no text. */
function failed(error: unknown): HandleResult {
  try {
    return retryable(`the handler failed: ${error instanceof Error ? error.message : String(error)}`);
  } catch {
    return retryable("the handler failed");
  }
}

/** Handlers are user code, where types may be absent. */
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
