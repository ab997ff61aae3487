/**
 * The seam between the inbox and whatever a message is for.
 *
 * `row`: the row in the inbox is the effect; one statement, exactly once.
 * `after`: the row is taken on with a lease, then `handle` runs, then the outcome is written. The effect happens at
 * least once: a handler that crashes after its effect and before the write is run again. Its id is the idempotency key.
 */
import type { InboxMessage } from "../inbox/message.ts";

export type HandleResult =
  | { readonly kind: "processed" }
  /** `retryable`: the outbox sends it again; otherwise it is a dead letter there. */
  | { readonly kind: "rejected"; readonly reason: string; readonly retryable: boolean };

export interface RowHandler {
  readonly name: string;
  readonly mode: "row";
}

export interface AfterHandler {
  readonly name: string;
  readonly mode: "after";
  /**
   * Does the work. A throw counts as rejected, retryable.
   * @param signal aborted when the time is over or the acker stops; what comes afterwards is not waited for
   */
  handle(message: InboxMessage, signal: AbortSignal): Promise<HandleResult>;
}

export type Handler = RowHandler | AfterHandler;
