/**
 * Wraps every listener that receives bytes from the network: MQTT and NATS messages, HTTP hooks and streams, and the
 * timers that they start.
 *
 * Invariants:
 *  GUARD-1. A listener that throws, or whose promise rejects, is counted and logged; the caller sees neither.
 *  GUARD-2. Each listener name logs one line a minute, with the number of failures left out. The error text is cut: it may
 *     quote what the network sent.
 */
import type { Clock } from "./clock.ts";
import { LogThrottle } from "./log-throttle.ts";
import { type Logger, printable } from "./logger.ts";

const MOST_LOGGED = 2_000;

export interface ListenerGuardOptions {
  readonly logger: Logger;
  readonly clock: Pick<Clock, "now">;
}

export class ListenerGuard {
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;
  #failures = 0;

  constructor({ logger, clock }: ListenerGuardOptions) {
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock);
  }

  /** Listeners that have failed since the start. */
  get failures(): number {
    return this.#failures;
  }

  /** @param name for the log: a constant, never a text from the network */
  // biome-ignore lint/suspicious/noConfusingVoidType: most listeners return nothing
  wrap<A extends unknown[]>(name: string, listener: (...args: A) => void | Promise<unknown>): (...args: A) => void {
    return (...args) => {
      try {
        const ended = listener(...args);
        if (ended instanceof Promise) ended.catch((error: unknown) => this.failed(name, error)); // GUARD-1
      } catch (error) {
        this.failed(name, error); // GUARD-1
      }
    };
  }

  /** Counts and logs a failure that the caller caught. Never throws. */
  failed(name: string, error: unknown): void {
    this.#failures++;
    const unsaid = this.#throttle.admit(name); // GUARD-2
    if (unsaid === null) return;
    try {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#logger.error(
        { error: printable(text, MOST_LOGGED), listener: name, unsaid },
        "a listener failed; its input is dropped",
      );
    } catch (second) {
      process.emitWarning(`the report of a failed ${name} listener failed: ${String(second)}`);
    }
  }
}
