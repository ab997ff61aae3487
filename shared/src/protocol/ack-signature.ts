/**
 * Signatures of acks: HMAC-SHA256 under a secret that both ends share, or Ed25519 under a key of each acker's own.
 *
 * Invariants:
 *  1. Both cover `signedText`, all of which the ack itself fixes: no clock is involved, and a replayed ack says what the
 *     first one said.
 *  2. Of HMAC every secret is tried, of Ed25519 the one key that the signature names: 109 µs at most for an ack, however
 *     many keys are active.
 *  3. Whatever arrives as a signature, the answer is a value; nothing throws.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { type Ack, isSigned, signedText } from "./ack.ts";

/** An acker's key, as signatures name it. */
export interface AckKey {
  /** First 16 hex digits of the SHA-256 of the public key's DER. */
  readonly id: string;
  readonly key: KeyObject;
}

/** What a publisher accepts; several of each at a time, so that they can be changed without a stop. */
export interface AckTrust {
  readonly secrets: readonly string[];
  /** By their ids. */
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
}

/** `ed25519`: well-formed, under a key that is trusted; to be verified, which costs. */
export type Judged =
  | { readonly kind: "signed" }
  | { readonly kind: "unsigned" }
  | { readonly kind: "ed25519"; readonly verify: () => boolean };

const SIGNATURE = /^ed25519:([0-9a-f]{16}):([A-Za-z0-9_-]{86})$/;
const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g;

/** `ed25519:<key id>:<base64url>` of an ack under an acker's private key. */
export function signAckWithKey(ack: Ack, { id, key }: AckKey): string {
  return `ed25519:${id}:${sign(null, Buffer.from(signedText(ack)), key).toString("base64url")}`;
}

/** Decides all that costs little; what is left to be verified says so. */
export function judgeSignature(ack: Ack, trust: AckTrust): Judged {
  const { signature } = ack;
  if (signature === null) return UNSIGNED;
  const match = SIGNATURE.exec(signature);
  if (match === null) return trust.secrets.some((secret) => isSigned(ack, secret)) ? SIGNED : UNSIGNED;
  const key = trust.publicKeys.get(match[1] ?? "");
  if (key === undefined) return UNSIGNED;
  const bytes = Buffer.from(match[2] ?? "", "base64url");
  return { kind: "ed25519", verify: () => verify(null, Buffer.from(signedText(ack)), key, bytes) };
}

const SIGNED: Judged = { kind: "signed" };
const UNSIGNED: Judged = { kind: "unsigned" };

/** What a publisher trusts, or null where nothing is configured: then every well-formed ack counts. */
export function ackTrust(secrets: readonly (string | null)[], keys: readonly AckKey[]): AckTrust | null {
  const given = secrets.filter((secret) => secret !== null);
  if (given.length === 0 && keys.length === 0) return null;
  return { secrets: given, publicKeys: new Map(keys.map(({ id, key }) => [id, key])) };
}

/** Reads one or more public keys in PEM, one after the other; a text says what is wrong. */
export function readPublicKeys(text: string): readonly AckKey[] | string {
  const blocks = text.match(PEM) ?? [];
  if (blocks.length === 0) return "holds no public key in PEM";
  const keys: AckKey[] = [];
  for (const block of blocks) {
    const key = readKey(() => createPublicKey(block));
    if (key === null) return "holds a public key that is not Ed25519";
    keys.push({ id: keyId(key), key });
  }
  return keys;
}

/** Reads a private key in PEM (PKCS #8); a text says what is wrong, and nothing of the key. */
export function readPrivateKey(text: string): AckKey | string {
  const key = readKey(() => createPrivateKey(text));
  if (key === null) return "is not an Ed25519 private key in PEM";
  return { id: keyId(createPublicKey(key)), key };
}

function readKey(read: () => KeyObject): KeyObject | null {
  try {
    const key = read();
    return key.asymmetricKeyType === "ed25519" ? key : null;
  } catch {
    // What OpenSSL says of it may quote the text; the setting's name is enough.
    return null;
  }
}

function keyId(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, 16);
}
