/**
 * The seam between the inbox and whatever a message is for.
 *
 * `row`: the row in the inbox is the effect; one statement, exactly once.
 * `after`: the message is taken on with a lease, its own or its batch's, then `handle` runs, then the outcome is written, with
 * the row where that is not there yet. What the handler does by itself happens at least once: one that crashes after its effect and before the write is run again. What it returns as an
 * `effect` is committed with the outcome, exactly once.
 */
import type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
import type { Fragment } from "../inbox/fragment.ts";
import type { InboxMessage } from "../inbox/message.ts";

/** User code in a transaction that ends with the inbox. */
export interface TransactionEffect {
  readonly kind: "transaction";
  /** What it throws rolls the transaction back; what it resolves to does not matter. */
  readonly work: (query: TransactionQuery) => Promise<unknown>;
}

export type Effect = Fragment | TransactionEffect;

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
  /** Aborted when the time is over or the acker stops; what comes afterwards is not waited for. */
  readonly signal: AbortSignal;
  /** Tells the outbox to expect no answer for so many milliseconds; it hears so by itself every few seconds. */
  readonly working: (forMs: number) => void;
}

export interface AfterHandler {
  readonly name: string;
  readonly mode: "after";
  /**
   * Does the work, at once or later. A throw counts as rejected, retryable; so does whatever is no `HandleResult`.
   */
  handle(message: InboxMessage, context: HandleContext): HandleResult | Promise<HandleResult>;
}

/** Several handlers, each with its topics and its bounds. */
/** A handler of a route that only computes: its effect can be known before the message is stored. */
export type EffectOf = (message: InboxMessage) => Fragment | null;

export interface RoutedHandler {
  readonly name: string;
  readonly mode: "routed";
  readonly routes: readonly HandlerRoute[];
}

export interface HandlerRoute {
  /** MQTT filter; of two that match a topic the first one takes it. Null = every topic. */
  readonly filter: string | null;
  readonly handler: AfterHandler;
  /** Null: the handler does more than compute. What this throws, the handler throws as well when its turn comes. */
  readonly effectOf: EffectOf | null;
  /** Messages that it works on at a time. */
  readonly concurrency: number;
  readonly timeoutMs: number;
}

export type Handler = RowHandler | AfterHandler | RoutedHandler;
