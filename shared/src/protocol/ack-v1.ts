/**
 * Signatures of version 1, accepted where `ACKTOR_ACK_SIGNATURES` lists 1: until every acker signs version 2.
 *
 * They cover neither the topic nor `retryable`, `retry_after`, `working_for` and `reason`: a client that may write data topics
 * can make an acker sign an answer for a message that it did not get. Version 2 (`ack-proof.ts`) closes that.
 */
import { createHmac, sign, timingSafeEqual, verify } from "node:crypto";
import type { Ack } from "./ack.ts";
import type { NamedKey } from "./keys.ts";
import { type Judged, UNSIGNED } from "./signing.ts";

const ED25519 = /^ed25519:([0-9a-f]{16}):([A-Za-z0-9_-]{86})$/;

/** `hmac-sha256:<hex>` of an ack under a shared secret. */
export function signAckV1(ack: Ack, secret: string): string {
  return `hmac-sha256:${createHmac("sha256", secret).update(textV1(ack)).digest("hex")}`;
}

/** `ed25519:<key id>:<base64url>` of an ack under an acker's private key. */
export function signAckV1WithKey(ack: Ack, { id, key }: NamedKey): string {
  return `ed25519:${id}:${sign(null, Buffer.from(textV1(ack)), key).toString("base64url")}`;
}

/** Tries every secret; of Ed25519 the one key that the signature names. */
export function judgeAckV1(ack: Ack, secrets: readonly string[], publicKeys: readonly NamedKey[]): Judged {
  const { signature } = ack;
  if (signature === null) return UNSIGNED;
  const [, keyId = "", value = ""] = ED25519.exec(signature) ?? [];
  if (keyId === "") return secrets.some((secret) => isSigned(ack, secret)) ? { kind: "signed", keyId } : UNSIGNED;
  const named = publicKeys.find(({ id }) => id === keyId);
  if (named === undefined) return UNSIGNED;
  const bytes = Buffer.from(value, "base64url");
  return { kind: "ed25519", keyId, verify: () => verify(null, Buffer.from(textV1(ack)), named.key, bytes) };
}

function textV1(ack: Ack): string {
  const digest = ack.checksum === null ? "" : ack.checksum.replace(/^sha256:/, "");
  return `v1.${ack.message_id}.${ack.attempt_token ?? ""}.${digest}.${ack.status}.${ack.client_id ?? ""}`;
}

function isSigned(ack: Ack, secret: string): boolean {
  const given = Buffer.from(ack.signature ?? "");
  const wanted = Buffer.from(signAckV1(ack, secret));
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
