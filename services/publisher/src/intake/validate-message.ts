/**
 * From a request's JSON to a message that the outbox accepts, or the fault with its field. The encoding is never guessed from
 * the content: `content` is text, `content_base64` is bytes.
 *
 * Invariants:
 *  VALIDATE-1. A message that passes here passes the database's guards too.
 *  VALIDATE-2. Unknown fields are rejected by name, `__proto__` included.
 */
import { createHash } from "node:crypto";
import { type ContentEncoding, checksumOf } from "@acktor/shared/protocol/envelope";
import { reservedFault, topicFault } from "@acktor/shared/protocol/topics";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import type { Clock } from "@acktor/shared/runtime/clock";
import { printable } from "@acktor/shared/runtime/logger";
import { z } from "zod";
import { label, storable } from "../outbox/storable-text.ts";

export const MAX_CONTENT_BYTES = 256 * 1024;
export const MAX_BATCH = 10_000;
/** A century: longer than any retention, short enough for every timestamp. */
const MAX_TTL_SECONDS = 3_155_760_000;
/** As the table's guard has it. */
const MAX_HOLD_SECONDS = 31 * 86_400;

/** Characters of a foreign name that an answer repeats. */
const NAMED = 100;

const NOT_BASE64 = /[^A-Za-z0-9+/]/;

// VALIDATE-1, VALIDATE-2: `strictObject`.
export const messageSchema = z.strictObject({
  topic: z.string(),
  content: storable.optional(),
  content_base64: z.string().refine(isBase64, "is not base64").optional(),
  content_type: label.optional(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)], { error: "is not 0, 1 or 2" }).default(1),
  retain: z.boolean().default(false),
  requires_ack: z.boolean().default(true),
  ttl_seconds: z
    .number()
    .positive("must be above 0")
    .max(MAX_TTL_SECONDS, `must be at most ${MAX_TTL_SECONDS}`)
    .nullish(),
  max_retries: z.int().min(0, "must not be negative").max(1_000_000, "must be at most 1,000,000").nullish(),
  hold_seconds: z
    .number()
    .min(0, "must not be negative")
    .max(MAX_HOLD_SECONDS, `must be at most ${MAX_HOLD_SECONDS} (31 days)`)
    .nullish(),
  ordering_key: label.nullish(),
  deliver_at: z.iso.datetime({ offset: true, error: "is not a time such as 2026-01-31T12:00:00Z" }).nullish(),
});

export const batchItemSchema = messageSchema.extend({ idempotency_key: label.nullish() });

export interface IntakeLimits {
  /** Prefixes of acks and presence. */
  readonly reserved: readonly string[];
  readonly defaultTtlMs: number | null;
  readonly defaultMaxRetries: number | null;
  /** 0 or null: none. Of messages that can be held. */
  readonly defaultHoldMs: number | null;
  /** Limit of TTL and deliver_at, because a late row would keep its partition. */
  readonly retentionMs: number;
  readonly clock: Pick<Clock, "wallClock">;
}

/** A message as accepted; the intake gives it an id and decides on its lease. */
export interface AcceptedMessage {
  readonly topic: string;
  readonly payload: string;
  readonly contentEncoding: ContentEncoding;
  readonly contentType: string | null;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly requiresAck: boolean;
  readonly checksum: string;
  readonly orderingKey: string | null;
  readonly maxRetries: number | null;
  readonly ttlMs: number | null;
  readonly holdMs: number | null;
  readonly deliverAt: string | null;
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null;
}

export type Validated<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: ApiFault };

/** Validates the body of `POST /v1/messages`. */
export function validateMessage(
  body: unknown,
  idempotencyKey: string | null,
  limits: IntakeLimits,
): Validated<AcceptedMessage> {
  if (idempotencyKey !== null) {
    const key = label.safeParse(idempotencyKey);
    if (!key.success) return invalid("Idempotency-Key", key.error.issues[0]?.message ?? "is not valid");
  }
  const parsed = messageSchema.safeParse(body);
  if (!parsed.success) return { ok: false, fault: faultOf(parsed.error, body, "") };
  return accept(parsed.data, idempotencyKey, limits, "");
}

/** Validates the body of `POST /v1/messages/batch`; a fault names `messages[i].field`. */
export function validateBatch(body: unknown, limits: IntakeLimits): Validated<AcceptedMessage[]> {
  const shape = z.strictObject({ messages: z.array(z.unknown()) }).safeParse(body);
  if (!shape.success) return { ok: false, fault: faultOf(shape.error, body, "") };
  const { messages } = shape.data;
  if (messages.length === 0) return invalid("messages", "is empty");
  if (messages.length > MAX_BATCH) return invalid("messages", `has ${messages.length} items, more than ${MAX_BATCH}`);
  const accepted: AcceptedMessage[] = [];
  for (const [i, item] of messages.entries()) {
    const prefix = `messages[${i}]`;
    const parsed = batchItemSchema.safeParse(item);
    if (!parsed.success) return { ok: false, fault: faultOf(parsed.error, item, prefix) };
    const one = accept(parsed.data, parsed.data.idempotency_key ?? null, limits, prefix);
    if (!one.ok) return one;
    accepted.push(one.value);
  }
  return { ok: true, value: accepted };
}

function accept(
  message: z.output<typeof messageSchema>,
  idempotencyKey: string | null,
  limits: IntakeLimits,
  prefix: string,
): Validated<AcceptedMessage> {
  const at = (field: string): string => (prefix === "" ? field : `${prefix}.${field}`);
  const topic = topicFaultOf(message.topic, limits, at("topic"));
  if (topic !== null) return topic;
  const base64 = message.content_base64;
  if ((message.content === undefined) === (base64 === undefined)) {
    const why =
      base64 === undefined ? "is required (or content_base64)" : "and content_base64 are both given; send one";
    return invalid(at("content"), why);
  }
  const contentEncoding: ContentEncoding = base64 === undefined ? "utf8" : "base64";
  const payload = message.content ?? base64 ?? "";
  const bytes = base64 === undefined ? Buffer.byteLength(payload) : Buffer.byteLength(base64, "base64");
  if (bytes > MAX_CONTENT_BYTES) {
    const field = at(base64 === undefined ? "content" : "content_base64");
    return {
      ok: false,
      fault: { code: "too_large", field, message: `${field} has ${bytes} bytes, more than ${MAX_CONTENT_BYTES}` },
    };
  }
  const related = relatedFault(message, limits);
  if (related !== null) return invalid(at(related.field), related.why);
  const ttlMs = message.ttl_seconds == null ? limits.defaultTtlMs : Math.ceil(message.ttl_seconds * 1_000);
  const accepted: AcceptedMessage = {
    topic: message.topic,
    payload,
    contentEncoding,
    contentType: message.content_type ?? null,
    qos: message.qos,
    retain: message.retain,
    requiresAck: message.requires_ack,
    checksum: checksumOf(payload, contentEncoding),
    orderingKey: message.ordering_key ?? null,
    maxRetries: message.max_retries === undefined ? limits.defaultMaxRetries : message.max_retries,
    ttlMs,
    holdMs: holdOf(message, limits),
    deliverAt: message.deliver_at == null ? null : normalTime(message.deliver_at),
    idempotency: null,
  };
  if (idempotencyKey === null) return { ok: true, value: accepted };
  return { ok: true, value: { ...accepted, idempotency: { key: idempotencyKey, bodyHash: bodyHash(message) } } };
}

function topicFaultOf(topic: string, limits: IntakeLimits, field: string): Validated<never> | null {
  const why = topicFault(topic);
  if (why !== null) return { ok: false, fault: { code: "invalid_topic", field, message: `${field} ${why}` } };
  const reserved = reservedFault(topic, limits.reserved);
  if (reserved !== null)
    return { ok: false, fault: { code: "reserved_topic", field, message: `${field} ${reserved}` } };
  return null;
}

/** Faults between fields. */
function relatedFault(
  message: z.output<typeof messageSchema>,
  limits: IntakeLimits,
): { field: string; why: string } | null {
  if (!message.requires_ack && message.qos === 0) {
    return { field: "requires_ack", why: "may be false only with qos 1 or 2: at qos 0 no broker confirms a message" };
  }
  if ((message.hold_seconds ?? 0) > 0 && !canBeHeld(message)) {
    return {
      field: "hold_seconds",
      why: "needs qos 1 or 2 and requires_ack: the broker keeps no other copy for a session",
    };
  }
  const ttlMs = (message.ttl_seconds ?? 0) * 1_000;
  if (ttlMs > limits.retentionMs)
    return { field: "ttl_seconds", why: "is longer than the retention (ACKTOR_RETENTION)" };
  if (message.deliver_at == null) return null;
  if (message.ordering_key != null) return { field: "deliver_at", why: "cannot be combined with ordering_key" };
  if (Date.parse(message.deliver_at) - limits.clock.wallClock() > limits.retentionMs) {
    return { field: "deliver_at", why: "is further in the future than the retention allows (ACKTOR_RETENTION)" };
  }
  return null;
}

function canBeHeld({ qos, requires_ack }: z.output<typeof messageSchema>): boolean {
  return qos > 0 && requires_ack;
}

/** Null: the broker's copy is not trusted. */
function holdOf(message: z.output<typeof messageSchema>, { defaultHoldMs }: IntakeLimits): number | null {
  const { hold_seconds: seconds } = message;
  const holdMs = seconds === undefined ? defaultHoldMs : Math.ceil((seconds ?? 0) * 1_000);
  return canBeHeld(message) ? holdMs || null : null;
}

/** With its padding. One expression for the complete text would overflow the stack on the megabytes that a body may have. */
function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (NOT_BASE64.test(text.slice(0, text.length - padding))) return false;
  // Spare bits of the last letter are zero, or two texts would stand for the same bytes.
  const end = text.slice(-4);
  return Buffer.from(end, "base64").toString("base64") === end;
}

/** ISO 8601 allows years, offsets and fractions that PostgreSQL refuses. A time in the past is due immediately. */
function normalTime(text: string): string {
  return new Date(Math.max(0, Date.parse(text))).toISOString();
}

/** Equal for requests for the same message, in any order of their fields. */
function bodyHash(message: z.output<typeof messageSchema>): string {
  const fields = Object.entries(message)
    .filter(([name, value]) => name !== "idempotency_key" && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex");
}

function faultOf(error: z.ZodError, input: unknown, prefix: string): ApiFault {
  const issue = error.issues[0];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].map((part) =>
    printable(String(part), NAMED),
  );
  const field = [prefix, ...path].filter((part) => part !== "").join(".");
  if (unknown !== undefined) return { code: "unknown_field", field, message: `${field} is not a field of a message` };
  if (field === "" || typeof input !== "object") {
    return { code: "invalid_field", message: `${field || "the body"} is not a JSON object`, field: field || "body" };
  }
  const missing = issue?.code === "invalid_type" && issue.message.endsWith("received undefined");
  const why = missing ? "is required" : lower(issue?.message ?? "is not valid");
  return { code: "invalid_field", field, message: `${field} ${why}` };
}

/** Zod's own sentences begin with a capital ("Invalid input: expected string"); a fault continues the field's name. */
function lower(message: string): string {
  return message.startsWith("Invalid") || message.startsWith("Too")
    ? `is not valid: ${message.toLowerCase()}`
    : message;
}

function invalid(field: string, why: string): { readonly ok: false; readonly fault: ApiFault } {
  return { ok: false, fault: { code: "invalid_field", field, message: `${field} ${why}` } };
}
