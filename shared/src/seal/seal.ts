/**
 * The seal of the bus: proof that a member of the fleet sent a text, on this subject, now. Pure.
 *
 *   {"v":2,"time":<ms since 1970>,"nonce":"<16 to 64 of A-Z a-z 0-9 _ ->","mac":"<64 hex digits>","body":"<the text>"}
 *
 *   key = HMAC-SHA256(secret, "acktor-nats-v2")
 *   mac = HMAC-SHA256(key, fields("acktor-nats-v2", kind, subject, time, nonce, body)), where each field is its length in
 *         bytes (32 bits, big-endian) and its UTF-8; `kind` is `say`, or `answer` for a reply to a request.
 *
 * Invariants:
 *  SEAL-1. The secret is in no text: an eavesdropper learns neither the secret nor how to make a second command.
 *  SEAL-2. The MAC covers every field with its length: no part can move into the next field.
 *  SEAL-3. The MAC is compared, in constant time, before anything of the body is parsed.
 *  SEAL-4. An answer is bound to the subject and the nonce of its request: it answers no other.
 *  SEAL-5. For any text the answer is a value; nothing throws.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import type { SealRefusal } from "../bus/bus.ts";
import { isJsonObject, readJsonText } from "../protocol/bounded-json.ts";

export const SEAL_VERSION = 2;
/** Milliseconds by which a sender's clock may differ from ours, either way. */
export const SEAL_WINDOW_MS = 30_000;
export const MOST_SEALED_BYTES = 1024 * 1024;

const LABEL = "acktor-nats-v2";
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const MAC = /^[0-9a-f]{64}$/;

export interface SealedText {
  readonly v: typeof SEAL_VERSION;
  /** Milliseconds since 1970, by the sender's clock. */
  readonly time: number;
  /** Of an answer: that of its request. */
  readonly nonce: string;
  /** HMAC-SHA256, hex. */
  readonly mac: string;
  /** The text that is sent; JSON on every subject except `wake`. */
  readonly body: string;
}

export type Opened =
  | { readonly ok: true; readonly time: number; readonly nonce: string; readonly body: string }
  /** `nonce`: where the MAC is valid. */
  | { readonly ok: false; readonly why: SealRefusal; readonly nonce: string | null };

type Kind = "say" | "answer";

/** @param secret ACKTOR_NATS_SECRET, or ACKTOR_API_TOKEN where it is not set */
export function busKey(secret: string): KeyObject {
  return createSecretKey(createHmac("sha256", secret).update(LABEL).digest()); // SEAL-1
}

/** @param time milliseconds since 1970 */
export function seal(key: KeyObject, subject: string, body: string, time: number, nonce: string): string {
  return sealAs(key, "say", subject, body, time, nonce);
}

/** @param subject of the request, with its nonce */
export function sealAnswer(key: KeyObject, subject: string, body: string, time: number, nonce: string): string {
  return sealAs(key, "answer", subject, body, time, nonce);
}

/** The text, once its MAC and its time are valid. SEAL-3, SEAL-5. @param now milliseconds since 1970 */
export function open(key: KeyObject, subject: string, text: string, now: number): Opened {
  const sealed = readSeal(text);
  if (sealed === null) return { ok: false, why: UNSIGNED, nonce: null };
  const { time, nonce, body } = sealed;
  if (!isUnder(key, "say", subject, sealed)) return { ok: false, why: FORGED, nonce: null };
  const ahead = time - now;
  if (Math.abs(ahead) > SEAL_WINDOW_MS) return { ok: false, why: stale(ahead), nonce };
  return { ok: true, time, nonce, body };
}

/** The body of an answer to the request of this nonce, or null. The nonce is new, so no clock is needed. SEAL-4 */
export function openAnswer(key: KeyObject, subject: string, nonce: string, text: string): string | null {
  const sealed = readSeal(text);
  return sealed !== null && sealed.nonce === nonce && isUnder(key, "answer", subject, sealed) ? sealed.body : null;
}

/** A text that has the form of a seal, valid or not. */
function readSeal(text: string): SealedText | null {
  const limits = { maxBytes: MOST_SEALED_BYTES, maxDepth: 1, maxValues: 20 };
  const read = readJsonText(text, limits);
  if (!read.ok || !isJsonObject(read.value)) return null;
  const { v, time, nonce, mac, body } = read.value;
  if (v !== SEAL_VERSION || typeof time !== "number" || !Number.isSafeInteger(time) || time < 0) return null;
  if (typeof nonce !== "string" || !NONCE.test(nonce)) return null;
  if (typeof mac !== "string" || !MAC.test(mac)) return null;
  // Half a surrogate pair has no UTF-8: two texts would have one MAC.
  if (typeof body !== "string" || !body.isWellFormed()) return null;
  return { v, time, nonce, mac, body };
}

const UNSIGNED: SealRefusal = {
  kind: "unsigned",
  reason: "the message is not signed with ACKTOR_NATS_SECRET, or with ACKTOR_API_TOKEN where that is not set",
};
const FORGED: SealRefusal = {
  kind: "forged",
  reason: "the signature is wrong: signed with another secret, for another subject, or changed on the way",
};

function stale(ahead: number): SealRefusal {
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  const which = ahead > 0 ? "ahead of" : "behind";
  const most = SEAL_WINDOW_MS / 1_000;
  const reason = `its time is ${seconds} s ${which} the clock here, and ${most} s are allowed: set the clocks, sign it again`;
  return { kind: "stale", reason };
}

function sealAs(key: KeyObject, kind: Kind, subject: string, text: string, time: number, nonce: string): string {
  const body = text.toWellFormed();
  const mac = macOf(key, kind, subject, time, nonce, body).toString("hex");
  return JSON.stringify({ v: SEAL_VERSION, time, nonce, mac, body } satisfies SealedText);
}

function isUnder(key: KeyObject, kind: Kind, subject: string, { time, nonce, mac, body }: SealedText): boolean {
  return timingSafeEqual(macOf(key, kind, subject, time, nonce, body), Buffer.from(mac, "hex"));
}

function macOf(key: KeyObject, kind: Kind, subject: string, time: number, nonce: string, body: string): Buffer {
  const mac = createHmac("sha256", key);
  for (const field of [LABEL, kind, subject, String(time), nonce, body]) {
    const length = Buffer.allocUnsafe(4); // SEAL-2
    length.writeUInt32BE(Buffer.byteLength(field));
    mac.update(length).update(field, "utf8");
  }
  return mac.digest();
}
