/** Ed25519 keys as operators hand them over: PEM, read once, named by their ids. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** A key and the name under which signatures mention it. */
export interface NamedKey {
  /** First 16 hex digits of the SHA-256 of the public key's DER. */
  readonly id: string;
  readonly key: KeyObject;
}

const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g;

/** Reads one or more public keys in PEM, one after the other; a text says what is wrong. */
export function readPublicKeys(text: string): readonly NamedKey[] | string {
  const blocks = text.match(PEM) ?? [];
  if (blocks.length === 0) return "holds no public key in PEM";
  const keys: NamedKey[] = [];
  for (const block of blocks) {
    const key = readKey(() => createPublicKey(block));
    if (key === null) return "holds a public key that is not Ed25519";
    keys.push({ id: keyId(key), key });
  }
  return keys;
}

/** Reads a private key in PEM (PKCS #8); a text says what is wrong, and nothing of the key. */
export function readPrivateKey(text: string): NamedKey | string {
  const key = readKey(() => createPrivateKey(text));
  if (key === null) return "is not an Ed25519 private key in PEM";
  return { id: keyId(createPublicKey(key)), key };
}

function readKey(read: () => KeyObject): KeyObject | null {
  try {
    const key = read();
    return key.asymmetricKeyType === "ed25519" ? key : null;
  } catch {
    // OpenSSL's message may quote the text; the setting's name is enough.
    return null;
  }
}

function keyId(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, 16);
}
