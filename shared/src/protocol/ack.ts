/**
 * The answer on `delivery/ack/<id>`, which completes a message.
 *
 * Invariants:
 *  ACK-1. `{"client_id":"x"}` and `{}` are the tutorial's form and mean processed.
 *  ACK-2. A payload that is not such an object, names another id than its topic, or contradicts itself is `malformed` and
 *         changes nothing: `reason`, `retryable` or `retry_after` without `status: rejected`, `working_for` without `working`, and,
 *         without a `status`, a word of failure such as `"success":false` or `"error":"…"`.
 *  ACK-3. Decoding never throws.
 *  ACK-4. What simple devices send is taken where its meaning is certain: NULs after the object (a C string with its end), and
 *         whole numbers as `client_id` and `attempt_token`, which stand for their digits.
 *
 * `working` completes nothing: it asks for patience (docs/adr/0012-a-receiver-asks-for-patience.md). Publishers that do not
 * know it treat it as malformed.
 */
import { hash } from "node:crypto";
import { isJsonObject, type JsonLimits, readJson } from "./bounded-json.ts";

export interface Ack {
  readonly message_id: string;
  readonly client_id: string | null;
  readonly status: "processed" | "rejected" | "working";
  readonly reason: string | null;
  /** Of a `rejected` ack: may the message be retried? */
  readonly retryable: boolean;
  /** Of a retryable ack: no retry before so many seconds. */
  readonly retry_after?: number;
  /** Of a `working` ack: no answer is expected for so many seconds. */
  readonly working_for?: number;
  /** Of a `working` ack: seconds since this attempt arrived. Signed patience counts from the PUBLISH, so a replayed ack adds none. */
  readonly elapsed?: number;
  readonly attempt_token: string | null;
  /** The topic to which the publisher sent the message, as `topicInAck` returns it; a signed ack has it. */
  readonly topic: string | null;
  /** Of the bytes that the receiver received. */
  readonly checksum: string | null;
  /** See ack-proof.ts. */
  readonly signature: string | null;
}

export type DecodedAck =
  /** `unknown`: names of fields without a meaning here, of an ack without a `status`; empty otherwise. */
  | { readonly kind: "ack"; readonly ack: Ack; readonly unknown: readonly string[] }
  /** `clientId`: as it is given, where that much can be read. */
  | { readonly kind: "malformed"; readonly reason: string; readonly clientId: string | null };

/** Acks are small; a larger payload is not parsed. */
export const MAX_ACK_BYTES = 8_192;
const MAX_TEXT = 1_024;
const LIMITS: JsonLimits = { maxBytes: MAX_ACK_BYTES, maxDepth: 16, maxValues: 1_000 };
/** One ack asks for a day of patience at most. */
export const MAX_PATIENCE_SECONDS = 86_400;
const MAX_ELAPSED_SECONDS = 31 * 86_400;

const LONGEST_TOPIC_BYTES = 1_024;

/** A topic as an ack names it: itself, or `sha256:<hex>` of a topic longer than 1,024 bytes, which does not fit into an ack. */
export function topicInAck(topic: string): string {
  if (topic.length * 3 <= LONGEST_TOPIC_BYTES || Buffer.byteLength(topic) <= LONGEST_TOPIC_BYTES) return topic;
  return `sha256:${hash("sha256", topic, "hex")}`;
}

/** The bytes of an ack. Fields that are null are omitted. */
export function encodeAck(ack: Ack): string {
  const wire: Record<string, unknown> = { message_id: ack.message_id, status: ack.status };
  if (ack.client_id !== null) wire["client_id"] = ack.client_id;
  if (ack.status === "rejected") {
    wire["reason"] = ack.reason ?? "";
    wire["retryable"] = ack.retryable;
    if (ack.retry_after !== undefined) wire["retry_after"] = ack.retry_after;
  }
  if (ack.working_for !== undefined) wire["working_for"] = ack.working_for;
  if (ack.elapsed !== undefined) wire["elapsed"] = ack.elapsed;
  if (ack.attempt_token !== null) wire["attempt_token"] = ack.attempt_token;
  if (ack.topic !== null) wire["topic"] = ack.topic;
  if (ack.checksum !== null) wire["checksum"] = ack.checksum;
  if (ack.signature !== null) wire["signature"] = ack.signature;
  return JSON.stringify(wire);
}

/**
 * Reads a payload from an ack topic. ACK-3
 * @param id the message id of the topic (`ackTopicId`)
 * @param payload raw bytes of the PUBLISH
 */
export function decodeAck(id: string, payload: Uint8Array): DecodedAck {
  const read = readJson(withoutEnd(payload), LIMITS);
  if (!read.ok) return bad(read.reason);
  const json = read.value;
  if (!isJsonObject(json)) return bad("is not a JSON object");
  // ACK-4
  for (const field of NUMBERED) if (Number.isSafeInteger(json[field])) json[field] = String(json[field]);
  const clientId = isText(json["client_id"]) ? text(json["client_id"]) : null;
  if (json["message_id"] !== undefined && json["message_id"] !== id) {
    return bad("names another message than its topic", clientId);
  }
  const fault = statusFault(json) ?? fieldFault(json);
  if (fault !== null) return bad(fault, clientId);
  return {
    kind: "ack",
    unknown: isGiven(json["status"]) ? NONE : Object.keys(json).filter((name) => !KNOWN.has(name)),
    ack: {
      message_id: id,
      client_id: text(json["client_id"]),
      status: (json["status"] ?? "processed") as Ack["status"],
      reason: text(json["reason"]),
      retryable: json["retryable"] !== false,
      ...(typeof json["retry_after"] === "number" ? { retry_after: json["retry_after"] } : {}),
      ...(typeof json["working_for"] === "number" ? { working_for: json["working_for"] } : {}),
      ...(typeof json["elapsed"] === "number" ? { elapsed: json["elapsed"] } : {}),
      attempt_token: text(json["attempt_token"]),
      topic: text(json["topic"]),
      checksum: text(json["checksum"]),
      signature: text(json["signature"]),
    },
  };
}

const TEXTS = ["client_id", "reason", "attempt_token", "topic", "checksum", "signature"] as const;
/** Texts that devices send as numbers. */
const NUMBERED = ["client_id", "attempt_token"] as const;
const OF_REJECTED = ["reason", "retryable", "retry_after"] as const;
const PATIENCE = ["retry_after", "working_for"] as const;
const OF_WORKING = ["working_for", "elapsed"] as const;
/** `timestamp` is the tutorial's. */
const KNOWN: ReadonlySet<string> = new Set([
  "message_id",
  "status",
  "timestamp",
  ...TEXTS,
  ...OF_REJECTED,
  ...OF_WORKING,
]);
const NONE: readonly string[] = [];

/** ACK-2: a known status, fields that fit it, and no failure in other words. */
function statusFault(json: Record<string, unknown>): string | null {
  const status = json["status"] ?? "processed"; // ACK-1
  if (status !== "processed" && status !== "rejected" && status !== "working") {
    return "status is neither processed nor rejected nor working";
  }
  for (const field of OF_REJECTED) {
    if (status !== "rejected" && isGiven(json[field])) return `${field} is given without status "rejected"`;
  }
  for (const field of OF_WORKING) {
    if (status !== "working" && isGiven(json[field])) return `${field} is given without status "working"`;
  }
  if (isGiven(json["status"])) return null;
  const word = Object.keys(json).find((name) => !KNOWN.has(name) && saysFailure(name, json[name]));
  return word === undefined ? null : `${word.slice(0, 50)} speaks of a failure and status is missing`;
}

const VERDICT =
  /^(success|succeeded|successful|ok|okay|ack|acked|acknowledged|processed|accepted|done|valid|delivered)$/i;
const FAILURE =
  /^(e|err|error|errors|exception|fail|failed|failure|failures|fault|rejected|rejection|refused|nack|denied|invalid|problem)$/i;
const STATE = /^(state|status_?code|result|outcome|code|verdict)$/i;
const BAD_STATE =
  /(^|[^a-z])(not[ _-]?(ok|done|processed|accepted)|nok|nack(ed)?|err(or)?s?|fail(ed|ure)?|reject(ed|ion)?|refused?|denied|invalid|abort(ed)?|cancel(l?ed)?|timeout|timed[ _-]?out|exception|unsupported|unauthorized|forbidden|false)([^a-z]|$)/i;
const NO: ReadonlySet<unknown> = new Set([false, 0, "false", "no", "0", "f", "n"]);

/** Whether a field that acktor does not know says that the message was not processed. */
function saysFailure(name: string, value: unknown): boolean {
  if (VERDICT.test(name)) return typeof value === "string" ? NO.has(value.toLowerCase()) : NO.has(value);
  if (FAILURE.test(name)) return isGiven(value) && !NO.has(value) && value !== "" && !isEmpty(value);
  if (!STATE.test(name)) return false;
  if (typeof value === "number") return value >= 400 || value < 0;
  return typeof value === "string" && BAD_STATE.test(value);
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function fieldFault(json: Record<string, unknown>): string | null {
  for (const field of TEXTS) {
    if (isGiven(json[field]) && !isText(json[field])) return `${field} is not a text of at most ${MAX_TEXT} bytes`;
  }
  if (isGiven(json["retryable"]) && typeof json["retryable"] !== "boolean") return "retryable is not true or false";
  for (const field of PATIENCE) {
    if (!isSeconds(json[field], MAX_PATIENCE_SECONDS)) {
      return `${field} is not a number of seconds up to ${MAX_PATIENCE_SECONDS}`;
    }
  }
  if (!isSeconds(json["elapsed"], MAX_ELAPSED_SECONDS)) {
    return `elapsed is not a number of seconds up to ${MAX_ELAPSED_SECONDS}`;
  }
  return null;
}

function bad(reason: string, clientId: string | null = null): DecodedAck {
  return { kind: "malformed", reason, clientId };
}

/** The bytes before the NULs at the end. */
function withoutEnd(payload: Uint8Array): Uint8Array {
  let end = payload.length;
  while (end > 0 && payload[end - 1] === 0) end--;
  return end === payload.length ? payload : payload.subarray(0, end);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isSeconds(value: unknown, most: number): boolean {
  return !isGiven(value) || (typeof value === "number" && value >= 0 && value <= most);
}

/** NUL and lone surrogates cannot be stored in PostgreSQL, so they are rejected here. The bound is in bytes, as the columns' bounds are. */
function isText(value: unknown): boolean {
  if (typeof value !== "string" || value.length > MAX_TEXT) return false;
  if (value.length * 3 > MAX_TEXT && Buffer.byteLength(value) > MAX_TEXT) return false;
  return !value.includes("\u0000") && value.isWellFormed();
}
