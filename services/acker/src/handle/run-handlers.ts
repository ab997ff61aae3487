/**
 * Runs a handler for many messages, a bounded number at a time.
 *
 * Invariants:
 *  1. `run` always resolves: with the handler's result, or with a rejection when it threw, gave nonsense, or did not
 *     answer in time. It never rejects.
 *  2. At most `concurrency` are waited for. A handler that ignores its signal holds no place after its time, but is
 *     counted in `stuck` until it returns.
 *  3. What waits is bounded by the caller: the intake's credit is held until the message is finished.
 *  4. After `stop` whatever runs or waits resolves as null: nobody knows, the message is to be handled again.
 */
import { printable } from "@acktor/shared/runtime/logger";
import type { InboxMessage } from "../inbox/message.ts";
import type { AfterHandler, HandleResult } from "./handler.ts";

export interface HandlerRunner {
  run(message: InboxMessage): Promise<HandleResult | null>;
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
}

interface Job {
  readonly message: InboxMessage;
  readonly resolve: (result: HandleResult | null) => void;
}

const MAX_REASON = 300;

export function createHandlerRunner(options: HandlerRunnerOptions): HandlerRunner {
  const { handler, concurrency, timeoutMs } = options;
  const queue: Job[] = [];
  const endings = new Set<() => void>();
  let stuck = 0;
  let stopped = false;

  function next(): void {
    while (endings.size < concurrency) {
      const job = queue.shift();
      if (job === undefined) return;
      start(job);
    }
  }

  function start({ message, resolve }: Job): void {
    const abort = new AbortController();
    let overdue = false;
    const timer = setTimeout(() => {
      overdue = true;
      stuck++;
      settle(retryable(`the handler did not answer within ${timeoutMs / 1_000} s`));
    }, timeoutMs);
    const giveBack = (): void => settle(null);
    endings.add(giveBack);

    function settle(result: HandleResult | null): void {
      if (!endings.delete(giveBack)) return;
      clearTimeout(timer);
      if (result === null || overdue) abort.abort();
      resolve(result);
      if (!stopped) next();
    }

    void invoke(handler, message, abort.signal).then((result) => {
      if (overdue) stuck--;
      settle(result);
    });
  }

  return {
    run(message) {
      if (stopped) return Promise.resolve(null);
      return new Promise((resolve) => {
        queue.push({ message, resolve });
        next();
      });
    },
    running: () => endings.size,
    waiting: () => queue.length,
    stuck: () => stuck,
    stop() {
      stopped = true;
      for (const job of queue.splice(0)) job.resolve(null);
      for (const giveBack of [...endings]) giveBack();
    },
  };
}

async function invoke(handler: AfterHandler, message: InboxMessage, signal: AbortSignal): Promise<HandleResult> {
  try {
    const result = await handler.handle(message, signal);
    if (result.kind === "processed") return result;
    return { ...result, reason: printable(result.reason, MAX_REASON) };
  } catch (error) {
    return retryable(`the handler failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function retryable(reason: string): HandleResult {
  return { kind: "rejected", reason: printable(reason, MAX_REASON).toWellFormed(), retryable: true };
}
