/**
 * A handler that runs before its message has a row: keeps its result for whoever writes it, or for the desk, which takes it
 * over when the message is written without it.
 */
import type { InboxMessage } from "../inbox/message.ts";
import type { HandleResult } from "./handler.ts";
import type { HandlerJob } from "./run-handlers.ts";

export type Successor = Pick<HandlerJob, "working" | "done">;

export class EarlyRun implements HandlerJob {
  readonly message: InboxMessage;
  /** Undefined until it ends; null: given back. */
  result: HandleResult | null | undefined = undefined;
  #successor: Successor | null = null;
  readonly #onWorking: (forMs: number) => void;

  constructor(message: InboxMessage, onWorking: (forMs: number) => void) {
    this.message = message;
    this.#onWorking = onWorking;
  }

  working(forMs: number): void {
    if (this.#successor === null) this.#onWorking(forMs);
    else this.#successor.working(forMs);
  }

  done(result: HandleResult | null): void {
    this.result = result;
    this.#successor?.done(result);
  }

  /** Who hears of it from now on; at once when it has ended. */
  handOver(successor: Successor): void {
    this.#successor = successor;
    if (this.result !== undefined) successor.done(this.result);
  }
}
