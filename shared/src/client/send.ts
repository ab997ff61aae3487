/**
 * Messages by HTTP, for code whose database is not the outbox's.
 *
 * Invariants:
 *  1. A message is stored once, however often its request is repeated: every `send` has an idempotency key, its own or the
 *     caller's. A caller who gives it may repeat the whole `send` after a crash.
 *  2. An answer is a value; nothing here throws for what a network or a publisher can do.
 */
import { randomUUID } from "node:crypto";
import { type CallFailure, type CallOptions, call } from "./http-calls.ts";
import { encodeContent, type OutgoingMessage } from "./message.ts";

export interface ClientOptions {
  /** The publisher's address, as http://127.0.0.1:8080. */
  readonly url: string;
  /** ACKTOR_API_TOKEN, where one is set. */
  readonly token?: string | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export interface SendOptions {
  /** The same key and message give the same id, for 24 h at least. Default: a new one for each `send`. */
  readonly idempotencyKey?: string;
  /** For all tries together. Default 30,000. */
  readonly timeoutMs?: number;
}

export type SendResult =
  | { readonly ok: true; readonly handle: MessageHandle }
  | {
      readonly ok: false;
      readonly failure: CallFailure;
      /** Send again with it and the message is stored once, whatever became of the first time. */
      readonly idempotencyKey: string;
    };

/** Where a message stands. */
export interface MessageStatus {
  readonly state: "pending" | "sent" | "acknowledged" | "failed" | "expired";
  /** PUBLISHes after the first. */
  readonly retryCount: number;
  /** Why it failed or waits, or null. */
  readonly reason: string | null;
  /** Who acknowledged it first, or null. */
  readonly acknowledgedBy: string | null;
}

export type StatusResult =
  | { readonly ok: true; readonly status: MessageStatus }
  | { readonly ok: false; readonly failure: CallFailure };

/** How waiting for an ack ended. */
export type AckOutcome =
  | { readonly kind: "acknowledged"; readonly by: string }
  /** It is a dead letter now; an operator may replay it. */
  | { readonly kind: "failed" | "expired"; readonly reason: string }
  /** Nothing is decided: the publisher goes on trying. `last` is null when it was never reached. */
  | { readonly kind: "timeout"; readonly last: MessageStatus | null }
  /** The publisher does not know the message, or refuses to say. */
  | { readonly kind: "unknown"; readonly failure: CallFailure };

/** One message that is stored durably. */
export interface MessageHandle {
  /** UUIDv7. */
  readonly messageId: string;
  status(): Promise<StatusResult>;
  /** Waits until the message ends. @param options `timeoutMs`, default 30,000 */
  acknowledged(options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<AckOutcome>;
}

export interface Client {
  /** Stores a message; when this resolves with `ok` it is durable, not delivered. */
  send(message: OutgoingMessage, options?: SendOptions): Promise<SendResult>;
  /** The handle of a message that was stored before. */
  message(messageId: string): MessageHandle;
}

const SEND_MS = 30_000;
const STATUS_MS = 5_000;
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 1_000;

/** Makes a client of one publisher. Nothing is kept open between calls. */
export function createClient(options: ClientOptions): Client {
  const calls: CallOptions = {
    url: options.url,
    token: options.token ?? null,
    fetch: options.fetch ?? globalThis.fetch,
    now: options.now ?? (() => performance.now()),
    random: options.random ?? Math.random,
  };
  return {
    async send(message, { idempotencyKey = randomUUID(), timeoutMs = SEND_MS } = {}) {
      const request = { method: "POST", path: "/v1/messages", body: toBody(message), idempotencyKey } as const;
      const answer = await call(calls, request, timeoutMs);
      if (!answer.ok) return { ok: false, failure: answer.failure, idempotencyKey };
      return { ok: true, handle: makeHandle(calls, String(answer.json["message_id"])) };
    },
    message: (messageId) => makeHandle(calls, messageId),
  };
}

function makeHandle(calls: CallOptions, messageId: string): MessageHandle {
  const look = async (timeoutMs: number): Promise<StatusResult> => {
    const path = `/v1/messages/${encodeURIComponent(messageId)}`;
    const answer = await call(calls, { method: "GET", path }, timeoutMs);
    return answer.ok ? { ok: true, status: toStatus(answer.json) } : answer;
  };
  return {
    messageId,
    status: () => look(STATUS_MS),
    async acknowledged({ timeoutMs = SEND_MS, signal } = {}) {
      const end = calls.now() + timeoutMs;
      let last: MessageStatus | null = null;
      for (let wait = FIRST_LOOK_MS; ; wait = Math.min(LONGEST_LOOK_MS, wait * 2)) {
        const answer = await look(Math.max(1, Math.min(STATUS_MS, end - calls.now())));
        if (answer.ok) last = answer.status;
        else if (answer.failure.kind === "refused") return { kind: "unknown", failure: answer.failure };
        const outcome = last === null ? null : outcomeOf(last);
        if (outcome !== null) return outcome;
        const left = end - calls.now();
        if (left <= 0 || signal?.aborted) return { kind: "timeout", last };
        await new Promise((resolve) => setTimeout(resolve, Math.min(wait, left)));
      }
    },
  };
}

/** Null while it is not decided. */
function outcomeOf({ state, reason, acknowledgedBy }: MessageStatus): AckOutcome | null {
  if (state === "acknowledged") return { kind: "acknowledged", by: acknowledgedBy ?? "" };
  return state === "failed" || state === "expired" ? { kind: state, reason: reason ?? state } : null;
}

function toStatus(json: Readonly<Record<string, unknown>>): MessageStatus {
  const acks = Array.isArray(json["acks"]) ? (json["acks"] as { readonly client_id?: string }[]) : [];
  return {
    state: json["state"] as MessageStatus["state"],
    retryCount: Number(json["retry_count"] ?? 0),
    reason: typeof json["reason"] === "string" ? json["reason"] : null,
    acknowledgedBy: acks[0]?.client_id ?? null,
  };
}

function toBody(message: OutgoingMessage): Record<string, unknown> {
  const { text, encoding } = encodeContent(message.content);
  const body = {
    topic: message.topic,
    [encoding === "utf8" ? "content" : "content_base64"]: text,
    content_type: message.contentType,
    qos: message.qos,
    retain: message.retain,
    requires_ack: message.requiresAck,
    ttl_seconds: message.ttlSeconds,
    max_retries: message.maxRetries,
    ordering_key: message.orderingKey,
    deliver_at: message.deliverAt?.toISOString(),
  };
  // JSON leaves out what is undefined.
  return body;
}
