/**
 * The answer on `delivery/ack/<id>` (SPEC 3): the one thing that ends a message.
 *
 * Invariants:
 *  1. `{"client_id":"x"}` and `{}` are the tutorial's form and mean processed.
 *  2. Whatever is not such an object, or names another id than its topic, is `malformed` and changes nothing.
 *  3. Decoding never throws.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { parseObject } from "./envelope.ts";

export interface Ack {
  readonly message_id: string;
  readonly client_id: string | null;
  readonly status: "processed" | "rejected";
  readonly reason: string | null;
  /** Of a `rejected` one: may the message be tried again? */
  readonly retryable: boolean;
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

/** The bytes of an ack. Fields that are null are left out. */
export function encodeAck(ack: Ack): string {
  const wire: Record<string, unknown> = { message_id: ack.message_id, status: ack.status };
  if (ack.client_id !== null) wire["client_id"] = ack.client_id;
  if (ack.status === "rejected") {
    wire["reason"] = ack.reason ?? "";
    wire["retryable"] = ack.retryable;
  }
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
  if (status !== "processed" && status !== "rejected") return bad("status is neither processed nor rejected");
  for (const field of ["client_id", "reason", "attempt_token", "checksum", "signature"]) {
    const value = json[field];
    if (value !== undefined && value !== null && !isText(value)) return bad(`${field} is not a text of our kind`);
  }
  const retryable = json["retryable"] ?? true;
  if (typeof retryable !== "boolean") return bad("retryable is not true or false");
  return {
    kind: "ack",
    ack: {
      message_id: id,
      client_id: text(json["client_id"]),
      status,
      reason: text(json["reason"]),
      retryable,
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

function isText(value: unknown): boolean {
  // NUL and lone surrogates cannot be stored in PostgreSQL, so they are refused at the door.
  return typeof value === "string" && value.length <= MAX_TEXT && !value.includes("\u0000") && value.isWellFormed();
}
