/** Ed25519 keys of ackers, as operators create them. */
import { generateKeyPairSync } from "node:crypto";
import { type NamedKey, readPrivateKey, readPublicKeys } from "@acktor/shared/protocol/keys";

export interface AckKeyPair {
  /** PEM. */
  readonly publicPem: string;
  readonly privatePem: string;
  readonly publicKey: NamedKey;
  readonly privateKey: NamedKey;
}

export function ackKeyPair(): AckKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const publicKeys = readPublicKeys(publicKey);
  const own = readPrivateKey(privateKey);
  if (typeof publicKeys === "string" || typeof own === "string") throw new Error("a fresh key is not readable");
  const [first] = publicKeys;
  if (first === undefined) throw new Error("a fresh key is not readable");
  return { publicPem: publicKey, privatePem: privateKey, publicKey: first, privateKey: own };
}
