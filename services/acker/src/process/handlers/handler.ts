/**
 * What a handler is, and what it may return.
 *
 * `row`: the row in the inbox is the effect; one statement, exactly once.
 * `after`: the message is taken on with a lease, its own or its batch's; then `handle` runs; then the outcome is written,
 * with the row where that does not exist yet. What the handler does itself happens at least once: one that crashes after
 * its effect and before the write runs again. What it returns as an `effect` is committed with the outcome, exactly once.
 */
import type { Effect } from "../../inbox/effect.ts";
import type { InboxMessage } from "../../inbox/message.ts";

export type HandleResult =
  | { readonly kind: "processed"; readonly effect?: Effect }
  /** `retryable`: the outbox sends it again, not before `retryAfterMs`; otherwise it is a dead letter there. */
  | {
      readonly kind: "rejected";
      readonly reason: string;
      readonly retryable: boolean;
      readonly retryAfterMs?: number;
    };

export interface RowHandler {
  readonly name: string;
  readonly mode: "row";
}

export interface HandleContext {
  /** Aborted when the time is over or the acker stops; the acker does not wait for what comes afterwards. */
  readonly signal: AbortSignal;
  /** Asks the outbox to expect no answer for so many milliseconds; the acker asks so every few seconds anyway. */
  readonly working: (forMs: number) => void;
}

export interface AfterHandler {
  readonly name: string;
  readonly mode: "after";
  /**
   * Does the work, immediately or later. A throw counts as rejected, retryable; so does anything that is no `HandleResult`.
   */
  handle(message: InboxMessage, context: HandleContext): HandleResult | Promise<HandleResult>;
}

/** Several handlers, each with its topics and its bounds. */
export interface RoutedHandler {
  readonly name: string;
  readonly mode: "routed";
  readonly routes: readonly HandlerRoute[];
}

export interface HandlerRoute {
  /** MQTT filter; of two that match a topic the first one takes it. Null = every topic. */
  readonly filter: string | null;
  readonly handler: AfterHandler;
  /** Messages that it works on at a time. */
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export type Handler = RowHandler | AfterHandler | RoutedHandler;
