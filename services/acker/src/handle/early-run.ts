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
  #isCancelled = false;
  readonly #onWorking: (forMs: number) => void;

  constructor(message: InboxMessage, onWorking: (forMs: number) => void) {
    this.message = message;
    this.#onWorking = onWorking;
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  working(forMs: number): void {
    if (this.#successor !== null) this.#successor.working(forMs);
    else if (!this.#isCancelled) this.#onWorking(forMs);
  }

  done(result: HandleResult | null): void {
    this.result = result;
    this.#successor?.done(result);
  }

  /** Its message is nobody's, or another's: unless somebody hears of it already, it is not begun, and asks for nothing. */
  cancel(): void {
    this.#isCancelled = this.#successor === null;
  }

  /** Who hears of it from now on; at once when it has ended. */
  handOver(successor: Successor): void {
    this.#successor = successor;
    if (this.result !== undefined) successor.done(this.result);
  }
}
