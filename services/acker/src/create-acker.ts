/**
 * `@acktor/acker`: the acker as a library. The same parts as the service, with your handlers and without HTTP.
 *
 * A handler is called for each message, and again when its answer was lost, its process died, or it asked for a retry. Its
 * own effects may happen twice; what it returns as `sql` or `inTransaction` commits with the inbox, exactly once.
 */
import type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
import type { Environment } from "@acktor/shared/runtime/config";
import { startAcker } from "./app.ts";
import type { Fragment } from "./inbox/fragment.ts";
import type { InboxMessage } from "./inbox/message.ts";
import { HANDLER_BOUNDS } from "./process/handlers/choose-handler.ts";
import type { AfterHandler, HandleResult, HandlerRoute, RoutedHandler } from "./process/handlers/handler.ts";
import { isThenable } from "./process/is-thenable.ts";

export type { TransactionQuery } from "@acktor/shared/db/fenced-transaction";
export { type Fragment, type FragmentValue, sql } from "./inbox/fragment.ts";
export type { HandleResult } from "./process/handlers/handler.ts";

/** A message as a handler gets it: complete, its checksum verified, not expired. */
export interface HandlerMessage {
  /** The sender's id; the same in every delivery, so it serves as an idempotency key. */
  readonly id: string;
  readonly topic: string;
  /** Text, or base64, by `contentEncoding`. */
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
   * Asks the outbox not to send the message again for so many milliseconds, at most a day. The acker asks so every few
   * seconds while a handler runs. A handler that blocks the event loop for long asks before, and awaits a `setImmediate`,
   * so that the request is sent.
   */
  working(forMs: number): void;
}

/**
 * Does the work of one message. A throw is a retryable rejection; so is any other result.
 * @returns `processed`; `rejected(…)`; a fragment of `sql`; or `inTransaction(…)`
 */
export type MessageHandler = (
  message: HandlerMessage,
  context: HandlerContext,
) => HandleResult | Fragment | Promise<HandleResult | Fragment>;

export interface HandlerOptions {
  readonly handle: MessageHandler;
  /** Messages that it works on at a time. Default 16. */
  readonly concurrency?: number;
  /** Milliseconds; then its signal is aborted and the message rejected, retryable. Default 30,000. */
  readonly timeoutMs?: number;
}

export interface AckerOptions {
  /** postgres://…; the acker creates its schema `acker` there unless `env` has ACKTOR_MIGRATE=off. */
  readonly databaseUrl: string;
  /** mqtt://, mqtts://, ws:// or wss:// */
  readonly mqttUrl: string;
  /** Handlers by MQTT filter, all of which are subscribed. Of two that match a topic the first takes it. */
  readonly handlers: Readonly<Record<string, MessageHandler | HandlerOptions>>;
  /** Name of this process among its replicas; stable, or a restarted process counts as a new one. */
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
  /** Finishes what runs, within five seconds, and closes everything. May be called early; a second call has no effect. */
  stop(): Promise<void>;
}

export type CreateAckerResult =
  | ({ readonly ok: true } & RunningLibraryAcker)
  /** Every fault of the options. */
  | { readonly ok: false; readonly faults: readonly string[] };

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
 * @param work runs statements by `query`; a throw rolls back. It has a connection of its own until it ends, 30 s at most.
 */
export function inTransaction(work: (query: TransactionQuery) => Promise<unknown>): HandleResult {
  return { kind: "processed", effect: { kind: "transaction", work } };
}

/** Starts an acker. It connects and reconnects automatically; an unreachable server is no fault. */
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
  return {
    ok: true,
    started: started.started,
    url: started.url === "" ? null : started.url,
    pause: started.pause.bind(started),
    resume: started.resume.bind(started),
    stop: started.stop.bind(started),
  };
}

function faultsOf(filter: string, handler: MessageHandler | HandlerOptions): string[] {
  if (filter.includes(",")) return [`handlers has ${filter}: one filter each, without commas.`];
  if (typeof handler === "function") return [];
  const { concurrency, timeoutMs } = boundsOf(handler);
  const faults: string[] = [];
  if (!Number.isInteger(concurrency) || concurrency < 1)
    faults.push(`handlers[${filter}].concurrency is not 1 or more.`);
  if (!(timeoutMs > 0 && timeoutMs <= 86_400_000)) faults.push(`handlers[${filter}].timeoutMs is not up to a day.`);
  return faults;
}

/** An option that is undefined has its default, like an absent one. */
function boundsOf(options: HandlerOptions): Pick<HandlerRoute, "concurrency" | "timeoutMs"> {
  const { concurrency = HANDLER_BOUNDS.concurrency, timeoutMs = HANDLER_BOUNDS.timeoutMs } = options;
  return { concurrency, timeoutMs };
}

function toRoutes(handlers: AckerOptions["handlers"]): RoutedHandler {
  const routes = Object.entries(handlers).map(([filter, given]): HandlerRoute => {
    const options: HandlerOptions = typeof given === "function" ? { handle: given } : given;
    return { filter, handler: adapt(filter, options.handle), ...boundsOf(options) };
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

function isFragment(result: HandleResult | Fragment | undefined): result is Fragment {
  return result?.kind === "fragment";
}

function toMessage(message: InboxMessage): HandlerMessage {
  const { topic, content, contentEncoding, contentType, retryCount } = message;
  return { id: message.externalId ?? message.messageId, topic, content, contentEncoding, contentType, retryCount };
}
