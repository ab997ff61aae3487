/**
 * The answer on `delivery/ack/<id>` (SPEC 3): the one thing that ends a message.
 *
 * Invariants:
 *  1. `{"client_id":"x"}` and `{}` are the tutorial's form and mean processed.
 *  2. Whatever is not such an object, or names another id than its topic, is `malformed` and changes nothing.
 *  3. Decoding never throws.
 *  4. `working` ends nothing: it asks for patience (ADR 12). Publishers that do not know it take it for malformed.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { parseObject } from "./envelope.ts";

export interface Ack {
  readonly message_id: string;
  readonly client_id: string | null;
  readonly status: "processed" | "rejected" | "working";
  readonly reason: string | null;
  /** Of a `rejected` one: may the message be tried again? */
  readonly retryable: boolean;
  /** Of a retryable one: not before so many seconds. */
  readonly retry_after?: number;
  /** Of a `working` one: no answer is to be expected for so many seconds. */
  readonly working_for?: number;
  readonly attempt_token: string | null;
  readonly checksum: string | null;
  /** `hmac-sha256:<hex>` over `signedText`. */
  readonly signature: string | null;
}

export type DecodedAck =
  | { readonly kind: "ack"; readonly ack: Ack }
  | { readonly kind: "malformed"; readonly reason: string };

/** Acks are small; what is larger is not one (a payload bomb is not parsed). */
export const MAX_ACK_BYTES = 8_192;
const MAX_TEXT = 1_024;
/** Nobody is kept waiting for longer than a day by one ack. */
export const MAX_PATIENCE_SECONDS = 86_400;

/** The bytes of an ack. Fields that are null are left out. */
export function encodeAck(ack: Ack): string {
  const wire: Record<string, unknown> = { message_id: ack.message_id, status: ack.status };
  if (ack.client_id !== null) wire["client_id"] = ack.client_id;
  if (ack.status === "rejected") {
    wire["reason"] = ack.reason ?? "";
    wire["retryable"] = ack.retryable;
    if (ack.retry_after !== undefined) wire["retry_after"] = ack.retry_after;
  }
  if (ack.working_for !== undefined) wire["working_for"] = ack.working_for;
  if (ack.attempt_token !== null) wire["attempt_token"] = ack.attempt_token;
  if (ack.checksum !== null) wire["checksum"] = ack.checksum;
  if (ack.signature !== null) wire["signature"] = ack.signature;
  return JSON.stringify(wire);
}

/**
 * Reads what arrived on an ack topic.
 * @param id the message id of the topic (`ackTopicId`)
 * @param payload raw bytes of the PUBLISH
 */
export function decodeAck(id: string, payload: Uint8Array): DecodedAck {
  if (payload.byteLength > MAX_ACK_BYTES) return bad(`larger than ${MAX_ACK_BYTES} bytes`);
  const json = parseObject(payload);
  if (typeof json === "string") return bad(json);
  if (json["message_id"] !== undefined && json["message_id"] !== id) return bad("names another message than its topic");
  const status = json["status"] ?? "processed";
  if (status !== "processed" && status !== "rejected" && status !== "working") {
    return bad("status is neither processed nor rejected nor working");
  }
  for (const field of ["client_id", "reason", "attempt_token", "checksum", "signature"]) {
    const value = json[field];
    if (value !== undefined && value !== null && !isText(value)) return bad(`${field} is not a text of our kind`);
  }
  const retryable = json["retryable"] ?? true;
  if (typeof retryable !== "boolean") return bad("retryable is not true or false");
  for (const field of ["retry_after", "working_for"]) {
    if (!isPatience(json[field])) return bad(`${field} is not a number of seconds up to ${MAX_PATIENCE_SECONDS}`);
  }
  return {
    kind: "ack",
    ack: {
      message_id: id,
      client_id: text(json["client_id"]),
      status,
      reason: text(json["reason"]),
      retryable,
      ...(typeof json["retry_after"] === "number" ? { retry_after: json["retry_after"] } : {}),
      ...(typeof json["working_for"] === "number" ? { working_for: json["working_for"] } : {}),
      attempt_token: text(json["attempt_token"]),
      checksum: text(json["checksum"]),
      signature: text(json["signature"]),
    },
  };
}

/** What a signature covers; every part is fixed by the ack, so no clock is involved (SPEC, signed acks). */
export function signedText(ack: Ack): string {
  const digest = ack.checksum === null ? "" : ack.checksum.replace(/^sha256:/, "");
  return `v1.${ack.message_id}.${ack.attempt_token ?? ""}.${digest}.${ack.status}.${ack.client_id ?? ""}`;
}

/** `hmac-sha256:<hex>` of an ack under a shared secret. */
export function signAck(ack: Ack, secret: string): string {
  return `hmac-sha256:${createHmac("sha256", secret).update(signedText(ack)).digest("hex")}`;
}

/** True when the ack carries the signature that `secret` gives it; compared in constant time. */
export function isSigned(ack: Ack, secret: string): boolean {
  if (ack.signature === null) return false;
  const given = Buffer.from(ack.signature);
  const wanted = Buffer.from(signAck(ack, secret));
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function bad(reason: string): DecodedAck {
  return { kind: "malformed", reason };
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isPatience(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "number" && value >= 0 && value <= MAX_PATIENCE_SECONDS;
}

function isText(value: unknown): boolean {
  // NUL and lone surrogates cannot be stored in PostgreSQL, so they are refused at the door.
  return typeof value === "string" && value.length <= MAX_TEXT && !value.includes("\u0000") && value.isWellFormed();
}
