/**
 * `@acktor/acker`: the acker as a library. The same parts as the service, with handlers of yours and without HTTP.
 *
 * A handler is called for each message, and again when its answer was lost, its process died or it asked for that. What it
 * does by itself may so happen twice; what it returns as `sql` or `inTransaction` commits with the inbox, exactly once.
 */
import type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
import type { Environment } from "@acktor/shared/runtime/config";
import { startAcker } from "./app.ts";
import type { AfterHandler, HandleResult, HandlerRoute, RoutedHandler } from "./handle/handler.ts";
import { isThenable } from "./handle/is-thenable.ts";
import type { Fragment } from "./inbox/fragment.ts";
import type { InboxMessage } from "./inbox/message.ts";

export type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
export type { HandleResult } from "./handle/handler.ts";
export { type Fragment, type FragmentValue, sql } from "./inbox/fragment.ts";

/** A message as a handler gets it: complete, its checksum verified, not expired. */
export interface HandlerMessage {
  /** The sender's id; the same in every delivery, so it serves as an idempotency key. */
  readonly id: string;
  readonly topic: string;
  /** Text, or base64 where `contentEncoding` says so. */
  readonly content: string;
  readonly contentEncoding: "utf8" | "base64";
  readonly contentType: string | null;
  /** PUBLISHes before the one that brought it, as the sender counts. */
  readonly retryCount: number;
}

export interface HandlerContext {
  /** Aborted when the handler's time is over or the acker stops. */
  readonly signal: AbortSignal;
  /**
   * Asks the outbox not to send the message again for so many milliseconds, at most a day. While a handler runs the outbox
   * hears this by itself every few seconds; a handler that blocks the event loop for long says so before, and awaits a
   * `setImmediate`, with which it leaves.
   */
  working(forMs: number): void;
}

/**
 * Does the work of one message. A throw is a retryable rejection; so is a result that is none.
 * @returns `processed`; `rejected(…)`; a fragment of `sql`; or `inTransaction(…)`
 */
export type MessageHandler = (
  message: HandlerMessage,
  context: HandlerContext,
) => HandleResult | Fragment | Promise<HandleResult | Fragment>;

export interface HandlerOptions {
  readonly handle: MessageHandler;
  /**
   * True: `handle` is synchronous and only computes what it returns. It may then run before the message is stored, and more than
   * once, so that a plain insert that it returns is part of the inbox's own statement and needs no lease. Default false.
   */
  readonly pure?: boolean;
  /** Messages that it works on at a time. Default 16. */
  readonly concurrency?: number;
  /** Milliseconds; then its signal is aborted and the message rejected, retryable. Default 30,000. */
  readonly timeoutMs?: number;
}

export interface AckerOptions {
  /** postgres://…; the schema `acker` is made there unless `env` says ACKTOR_MIGRATE=off. */
  readonly databaseUrl: string;
  /** mqtt://, mqtts://, ws:// or wss:// */
  readonly mqttUrl: string;
  /** Handlers by MQTT filter, all of which are subscribed. Of two that match a topic the first takes it. */
  readonly handlers: Readonly<Record<string, MessageHandler | HandlerOptions>>;
  /** Name of this process among its replicas; stable, or a restarted one is a stranger. */
  readonly instance?: string;
  /** Port for health, metrics and status on 127.0.0.1; 0 = any. Default: no HTTP. */
  readonly httpPort?: number;
  /** Milliseconds after which the messages of a crashed process are handled by another. Default 15,000. */
  readonly leaseMs?: number;
  /** Where log lines go. Default: standard output. */
  readonly logStream?: { write(line: string): void };
  /** Further settings by their names (docs/reference/configuration.md), as ACKTOR_GROUP. */
  readonly env?: Environment;
}

export interface RunningLibraryAcker {
  /** Resolves when messages are taken; `ok: false` when they never will be. */
  readonly started: Promise<{ readonly ok: true } | { readonly ok: false; readonly fault: string }>;
  /** http://127.0.0.1:<port>, or null without `httpPort`. */
  readonly url: string | null;
  /** Takes no messages until `resume`; what was taken is finished. */
  pause(): void;
  resume(): void;
  /** Finishes what runs, within five seconds, and closes everything. Twice and early is fine. */
  stop(): Promise<void>;
}

export type CreateAckerResult =
  | ({ readonly ok: true } & RunningLibraryAcker)
  /** Every fault of the options at once. */
  | { readonly ok: false; readonly faults: readonly string[] };

const CONCURRENCY = 16;
const TIMEOUT_MS = 30_000;
const NEVER = new AbortController().signal;

/** The work is done. */
export const processed: HandleResult = { kind: "processed" };

/**
 * The work is not done.
 * @param reason one line, for the operator and the message's timeline
 * @param options `retryable` (default true): sent again, not before `retryAfterMs`; otherwise a dead letter
 */
export function rejected(
  reason: string,
  options: { readonly retryable?: boolean; readonly retryAfterMs?: number } = {},
): HandleResult {
  const { retryable = true, retryAfterMs } = options;
  return { kind: "rejected", reason, retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/**
 * The work is this transaction, which commits with the inbox or not at all. One that fails is a retryable rejection.
 * @param work runs statements by `query`; a throw rolls back. Its connection is its own until it ends, 30 s at most.
 */
export function inTransaction(work: (query: TransactionQuery) => Promise<unknown>): HandleResult {
  return { kind: "processed", effect: { kind: "transaction", work } };
}

/** Starts an acker. It connects, and connects again, by itself; an unreachable server is no fault. */
export async function createAcker(options: AckerOptions): Promise<CreateAckerResult> {
  const faults = Object.entries(options.handlers).flatMap(([filter, handler]) => faultsOf(filter, handler));
  if (faults.length > 0) return { ok: false, faults };
  const env: Environment = {
    ...options.env,
    DATABASE_URL: options.databaseUrl,
    MQTT_URL: options.mqttUrl,
    ACKTOR_TOPICS: Object.keys(options.handlers).join(","),
    HTTP_PORT: String(options.httpPort ?? 0),
    ...(options.instance === undefined ? {} : { ACKTOR_INSTANCE: options.instance }),
  };
  const started = await startAcker(env, {
    handler: toRoutes(options.handlers),
    listen: options.httpPort !== undefined,
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    ...(options.logStream === undefined ? {} : { logStream: options.logStream }),
  });
  if (!started.ok) return started;
  const { pause, resume, stop } = started;
  return { ok: true, started: started.started, url: started.url === "" ? null : started.url, pause, resume, stop };
}

function faultsOf(filter: string, handler: MessageHandler | HandlerOptions): string[] {
  if (filter.includes(",")) return [`handlers has ${filter}: one filter each, without commas.`];
  if (typeof handler === "function") return [];
  const { concurrency = CONCURRENCY, timeoutMs = TIMEOUT_MS } = handler;
  const faults: string[] = [];
  if (!Number.isInteger(concurrency) || concurrency < 1)
    faults.push(`handlers[${filter}].concurrency is not 1 or more.`);
  if (!(timeoutMs > 0 && timeoutMs <= 86_400_000)) faults.push(`handlers[${filter}].timeoutMs is not up to a day.`);
  return faults;
}

function toRoutes(handlers: AckerOptions["handlers"]): RoutedHandler {
  const routes = Object.entries(handlers).map(([filter, given]): HandlerRoute => {
    const options: HandlerOptions = typeof given === "function" ? { handle: given } : given;
    const { handle, concurrency = CONCURRENCY, timeoutMs = TIMEOUT_MS, pure = false } = options;
    const effectOf = pure ? (message: InboxMessage) => computed(handle, message) : null;
    return { filter, handler: adapt(filter, handle), effectOf, concurrency, timeoutMs };
  });
  return { name: "library", mode: "routed", routes };
}

function adapt(name: string, handle: MessageHandler): AfterHandler {
  return {
    name,
    mode: "after",
    handle(message, context) {
      const result = handle(toMessage(message), context);
      return isThenable(result) ? Promise.resolve(result).then(asResult) : asResult(result);
    },
  };
}

function asResult(result: HandleResult | Fragment): HandleResult {
  return isFragment(result) ? { kind: "processed", effect: result } : result;
}

/** The fragment that a pure handler returns, or null; what else it returns is looked at when its turn comes. */
function computed(handle: MessageHandler, message: InboxMessage): Fragment | null {
  const result = handle(toMessage(message), { signal: NEVER, working: () => undefined });
  if (isThenable(result)) {
    Promise.resolve(result).catch(() => "it is asked again, and heard then");
    return null;
  }
  return isFragment(result) ? result : null;
}

function isFragment(result: HandleResult | Fragment | undefined): result is Fragment {
  return result?.kind === "fragment";
}

function toMessage(message: InboxMessage): HandlerMessage {
  const { topic, content, contentEncoding, contentType, retryCount } = message;
  return { id: message.externalId ?? message.messageId, topic, content, contentEncoding, contentType, retryCount };
}
