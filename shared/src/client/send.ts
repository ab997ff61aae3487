/**
 * Messages by HTTP, for code whose database is not the outbox's. An answer is a value; nothing here throws for what a
 * network or a publisher can do.
 *
 * Invariants:
 *  CLIENT-1. A message is stored once, however often its request is repeated: every `send` has an idempotency key, its own
 *            or the caller's. With the caller's key the complete `send` may be repeated after a crash.
 */
import { randomUUID } from "node:crypto";
import { type Random, SYSTEM_CLOCK, SYSTEM_RANDOM } from "../runtime/clock.ts";
import { type CallFailure, type CallOptions, call } from "./http-calls.ts";
import { encodeContent, type OutgoingMessage } from "./message.ts";

export interface ClientOptions {
  /** The publisher's address, such as http://127.0.0.1:8080. */
  readonly url: string;
  /** ACKTOR_API_TOKEN, where one is set. */
  readonly token?: string | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** For the jitter of retries. */
  readonly random?: Random;
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
      /** A `send` with the same key stores the message once, also where the first one stored it. */
      readonly idempotencyKey: string;
    };

/** The state of a message. */
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

/** The result of waiting for an ack. */
export type AckOutcome =
  | { readonly kind: "acknowledged"; readonly by: string }
  /** The message is a dead letter; an operator may replay it. */
  | { readonly kind: "failed" | "expired"; readonly reason: string }
  /** Not decided yet: the publisher continues. `last` is null when the publisher was never reached. */
  | { readonly kind: "timeout"; readonly last: MessageStatus | null }
  /** The publisher does not know the message, or refused the request. */
  | { readonly kind: "unknown"; readonly failure: CallFailure };

/** One message that is stored durably. */
export interface MessageHandle {
  /** UUIDv7. */
  readonly messageId: string;
  status(): Promise<StatusResult>;
  /** Waits until the message is acknowledged, failed or expired. @param options `timeoutMs`, default 30,000 */
  acknowledged(options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<AckOutcome>;
}

export interface Client {
  /** Stores a message. `ok` means that it is durable, not that it is delivered. */
  send(message: OutgoingMessage, options?: SendOptions): Promise<SendResult>;
  /** The handle of a message that was stored before. */
  message(messageId: string): MessageHandle;
}

const SEND_MS = 30_000;
const STATUS_MS = 5_000;
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 1_000;

/** Makes a client of one publisher. No connection stays open between calls. */
export function createClient(options: ClientOptions): Client {
  return new HttpClient({
    url: options.url,
    token: options.token ?? null,
    fetch: options.fetch ?? globalThis.fetch,
    clock: SYSTEM_CLOCK,
    random: options.random ?? SYSTEM_RANDOM,
  });
}

class HttpClient implements Client {
  readonly #calls: CallOptions;

  constructor(calls: CallOptions) {
    this.#calls = calls;
  }

  /** CLIENT-1 */
  async send(message: OutgoingMessage, options: SendOptions = {}): Promise<SendResult> {
    const { idempotencyKey = randomUUID(), timeoutMs = SEND_MS } = options;
    const request = { method: "POST", path: "/v1/messages", body: toBody(message), idempotencyKey } as const;
    const answer = await call(this.#calls, request, timeoutMs);
    if (!answer.ok) return { ok: false, failure: answer.failure, idempotencyKey };
    return { ok: true, handle: this.message(String(answer.json["message_id"])) };
  }

  message(messageId: string): MessageHandle {
    return new HttpHandle(this.#calls, messageId);
  }
}

class HttpHandle implements MessageHandle {
  readonly messageId: string;
  readonly #calls: CallOptions;

  constructor(calls: CallOptions, messageId: string) {
    this.#calls = calls;
    this.messageId = messageId;
  }

  status(): Promise<StatusResult> {
    return this.#look(STATUS_MS);
  }

  async acknowledged(options: Parameters<MessageHandle["acknowledged"]>[0] = {}): Promise<AckOutcome> {
    const { timeoutMs = SEND_MS, signal } = options;
    const { clock } = this.#calls;
    const end = clock.now() + timeoutMs;
    let last: MessageStatus | null = null;
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(LONGEST_LOOK_MS, wait * 2)) {
      const answer = await this.#look(Math.max(1, Math.min(STATUS_MS, end - clock.now())));
      if (answer.ok) last = answer.status;
      else if (answer.failure.kind === "refused") return { kind: "unknown", failure: answer.failure };
      const outcome = last === null ? null : outcomeOf(last);
      if (outcome !== null) return outcome;
      const left = end - clock.now();
      if (left <= 0 || signal?.aborted) return { kind: "timeout", last };
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait, left)));
    }
  }

  async #look(timeoutMs: number): Promise<StatusResult> {
    const path = `/v1/messages/${encodeURIComponent(this.messageId)}`;
    const answer = await call(this.#calls, { method: "GET", path }, timeoutMs);
    return answer.ok ? { ok: true, status: toStatus(answer.json) } : answer;
  }
}

/** Null while the message is in progress. */
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
    hold_seconds: message.holdSeconds,
    ordering_key: message.orderingKey,
    deliver_at: message.deliverAt?.toISOString(),
  };
  // JSON omits undefined fields.
  return body;
}
