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
 *  4. After `stop` whatever runs or waits resolves as null: nobody knows, the message is to be handled again.
 */
import { printable } from "@acktor/shared/runtime/logger";
import type { InboxMessage } from "../inbox/message.ts";
import type { AfterHandler, HandleResult } from "./handler.ts";

export interface HandlerRunner {
  /** @param working hears for how many more milliseconds the handler wants to be left alone */
  run(message: InboxMessage, working?: (forMs: number) => void): Promise<HandleResult | null>;
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

interface Job {
  readonly message: InboxMessage;
  readonly working: (forMs: number) => void;
  readonly resolve: (result: HandleResult | null) => void;
}

const MAX_REASON = 300;

export function createHandlerRunner(options: HandlerRunnerOptions): HandlerRunner {
  const { handler, concurrency, timeoutMs, now } = options;
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

  function start({ message, working, resolve }: Job): void {
    const abort = new AbortController();
    const startedAt = now();
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

    const patience = (forMs: number): void => {
      if (endings.has(giveBack)) working(forMs);
    };
    void invoke(handler, message, abort.signal, patience).then((result) => {
      if (overdue) stuck--;
      const tookMs = now() - startedAt;
      settle(tookMs <= timeoutMs ? result : retryable(`the handler kept the process busy for ${tookMs / 1_000} s`));
    });
  }

  return {
    run(message, working = () => undefined) {
      if (stopped) return Promise.resolve(null);
      return new Promise((resolve) => {
        queue.push({ message, working, resolve });
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

async function invoke(
  handler: AfterHandler,
  message: InboxMessage,
  signal: AbortSignal,
  working: (forMs: number) => void,
): Promise<HandleResult> {
  try {
    return checked(await handler.handle(message, signal, working));
  } catch (error) {
    return retryable(`the handler failed: ${error instanceof Error ? error.message : String(error)}`);
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
