/**
 * Signatures of version 2, for both envelopes and acks: `v2:<algorithm>:<key id>:<value>`.
 *
 *   v2:hmac-sha256:<16 hex>:<64 hex>        a secret that both ends share
 *   v2:ed25519:<16 hex>:<86 base64url>      a key of the signer's own
 *
 * Invariants:
 *  SIGN-1. A signature covers a `signedFields` text: each field with its length in bytes, so that no two lists of fields
 *          give one text, and first the purpose, so that an envelope's signature is never an ack's.
 *  SIGN-2. The signature names its key: one verification at most, however many keys are active.
 *  SIGN-3. For any text as a signature the answer is a value; nothing throws.
 */
import { sign, verify } from "node:crypto";
import { HmacKey } from "./hmac.ts";
import type { NamedKey } from "./keys.ts";

/** Signs texts under one key. */
export interface Signer {
  readonly keyId: string;
  sign(text: string): string;
}

/** `ed25519`: well-formed and under a trusted key; verifying it costs 109 µs, so the caller decides when. */
export type Judged =
  | { readonly kind: "signed"; readonly keyId: string }
  | { readonly kind: "unsigned" }
  | { readonly kind: "ed25519"; readonly keyId: string; readonly verify: () => boolean };

const ED25519_VALUE = /^[A-Za-z0-9_-]{86}$/;
const KEY_ID_LENGTH = 16;
const HMAC_NAME = "v2:hmac-sha256:";
const ED25519_NAME = "v2:ed25519:";
export const UNSIGNED: Judged = { kind: "unsigned" };

/**
 * The text that a signature covers (SIGN-1): `<bytes>:<UTF-8>` for each field, `-` for one that is absent.
 * @param purpose `acktor-ack-v2` or `acktor-envelope-v2`
 */
export function signedFields(purpose: string, fields: readonly (string | null)[]): string {
  let text = `${purpose.length}:${purpose}`;
  for (const field of fields) text += field === null ? "-" : `${field.length}:${field}`;
  // Nearly every text is ASCII, where characters are bytes: one count of all instead of one per field.
  return Buffer.byteLength(text) === text.length ? text : byBytes(purpose, fields);
}

function byBytes(purpose: string, fields: readonly (string | null)[]): string {
  const parts = fields.map((field) => (field === null ? "-" : `${Buffer.byteLength(field)}:${field}`));
  return `${purpose.length}:${purpose}${parts.join("")}`;
}

/** Whole milliseconds of a duration in seconds, as text: what is signed is no floating-point number. */
export function signedSeconds(seconds: number | null | undefined): string | null {
  return seconds === null || seconds === undefined ? null : String(Math.round(seconds * 1_000));
}

/** Signs with a shared secret. Its id distinguishes secrets and does not reveal them. */
export class HmacSigner implements Signer {
  readonly keyId: string;
  readonly #key: HmacKey;
  readonly #head: string;

  constructor(secret: string) {
    this.#key = new HmacKey(secret);
    this.keyId = hmacKeyId(this.#key);
    this.#head = `${HMAC_NAME}${this.keyId}:`;
  }

  sign(text: string): string {
    return this.#head + this.#key.hex(text);
  }
}

/** Signs with a private key. */
export class Ed25519Signer implements Signer {
  readonly keyId: string;
  readonly #key: NamedKey;

  constructor(key: NamedKey) {
    this.#key = key;
    this.keyId = key.id;
  }

  sign(text: string): string {
    return `${ED25519_NAME}${this.keyId}:${sign(null, Buffer.from(text), this.#key.key).toString("base64url")}`;
  }
}

/** The keys whose signatures count; several of each kind at a time, so that keys can be changed without a stop. */
export class Trust {
  readonly #secrets: ReadonlyMap<string, HmacKey>;
  readonly #publicKeys: ReadonlyMap<string, NamedKey>;

  constructor(secrets: readonly string[], publicKeys: readonly NamedKey[]) {
    const keys = secrets.map((secret) => new HmacKey(secret));
    this.#secrets = new Map(keys.map((key) => [hmacKeyId(key), key]));
    this.#publicKeys = new Map(publicKeys.map((key) => [key.id, key]));
  }

  /** Decides the cheap cases; the caller verifies an Ed25519 signature. SIGN-2, SIGN-3 */
  judge(signature: string | null, text: string): Judged {
    if (signature === null) return UNSIGNED;
    if (signature.startsWith(HMAC_NAME)) {
      const { keyId, value } = partsOf(signature, HMAC_NAME.length);
      return this.#secrets.get(keyId)?.matches(text, value) === true ? { kind: "signed", keyId } : UNSIGNED;
    }
    if (!signature.startsWith(ED25519_NAME)) return UNSIGNED;
    const { keyId, value } = partsOf(signature, ED25519_NAME.length);
    const key = this.#publicKeys.get(keyId);
    if (key === undefined || !ED25519_VALUE.test(value)) return UNSIGNED;
    const bytes = Buffer.from(value, "base64url");
    // One text for each signature: the spare bits of the last character would allow others.
    if (bytes.toString("base64url") !== value) return UNSIGNED;
    return { kind: "ed25519", keyId, verify: () => verify(null, Buffer.from(text), key.key, bytes) };
  }
}

/** `<key id>:<value>` behind the algorithm's name, which ends at `start`; another separator gives an unknown key. */
function partsOf(signature: string, start: number): { readonly keyId: string; readonly value: string } {
  const end = start + KEY_ID_LENGTH;
  const keyId = signature[end] === ":" ? signature.slice(start, end) : "";
  return { keyId, value: signature.slice(end + 1) };
}

/** First 16 hex digits of the secret's HMAC of a fixed text. */
function hmacKeyId(key: HmacKey): string {
  return key.hex("acktor-key-id").slice(0, 16);
}
