/**
 * The one wrapper of listeners that a stranger's bytes reach: MQTT and NATS messages, hooks and streams of HTTP, and
 * timers that they start.
 *
 * Invariants:
 *  GUARD-1. A listener that throws, or whose promise is rejected, is counted and logged, and ends no process: the caller
 *           sees neither.
 *  GUARD-2. The log has one line a minute for each name, with the number of failures that it leaves out. The error's text is
 *           cut: it may quote what the stranger sent.
 */
import { createLogThrottle, type LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";

const MOST_LOGGED = 2_000;

export interface ListenerGuardOptions {
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class ListenerGuard {
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;
  #failures = 0;

  constructor({ logger, now }: ListenerGuardOptions) {
    this.#logger = logger;
    this.#throttle = createLogThrottle(now);
  }

  /** Listeners that have failed since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** @param name what the log calls the listener: a constant, never a text from the network */
  // biome-ignore lint/suspicious/noConfusingVoidType: a listener that returns nothing is the usual one
  wrap<A extends unknown[]>(name: string, listener: (...args: A) => void | Promise<unknown>): (...args: A) => void {
    return (...args) => {
      try {
        const ended = listener(...args);
        if (ended instanceof Promise) ended.catch((error: unknown) => this.#note(name, error));
      } catch (error) {
        this.#note(name, error);
      }
    };
  }

  #note(name: string, error: unknown): void {
    this.#failures++;
    const unsaid = this.#throttle.admit(name);
    if (unsaid === null) return;
    try {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#logger.error(
        { error: printable(text, MOST_LOGGED), listener: name, unsaid },
        "a listener failed; what it was given is dropped",
      );
    } catch (second) {
      process.emitWarning(`the report of a failed ${name} listener failed: ${String(second)}`);
    }
  }
}
