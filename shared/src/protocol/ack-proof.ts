/**
 * Acks that prove their sender (version 2).
 *
 * Invariants:
 *  ACK-PROOF-1. The signature covers everything that the publisher acts on: outbox, message id, attempt token, topic as
 *               sent, checksum of the bytes received, status, retryable, retry_after, working_for, elapsed, reason, client id.
 *  ACK-PROOF-2. With trust configured an ack without a valid signature has no effect; an ack without topic or checksum
 *               proves nothing about a message and counts as unsigned.
 */
import type { Ack } from "./ack.ts";
import { judgeAckV1, signAckV1, signAckV1WithKey } from "./ack-v1.ts";
import type { NamedKey } from "./keys.ts";
import {
  Ed25519Signer,
  HmacSigner,
  type Judged,
  type Signer,
  signedFields,
  signedSeconds,
  Trust,
  UNSIGNED,
} from "./signing.ts";

export type SignatureVersion = "1" | "2";

/** Logged at the start of a service that has keys and accepts version 1. */
export const VERSION_1_WARNING =
  "ACKTOR_ACK_SIGNATURES accepts version 1: clients that may write data topics can forge acks. Remove 1 when both ends sign version 2.";

/** The text that a signature of version 2 covers. ACK-PROOF-1. @param outbox id of the outbox that sent the message */
export function ackText(ack: Ack, outbox: string): string {
  const rejected = ack.status === "rejected";
  return signedFields("acktor-ack-v2", [
    outbox,
    ack.message_id,
    ack.attempt_token,
    ack.topic,
    ack.checksum,
    ack.status,
    rejected ? String(ack.retryable) : null,
    signedSeconds(ack.retry_after),
    signedSeconds(ack.working_for),
    signedSeconds(ack.elapsed),
    rejected ? (ack.reason ?? "") : null,
    ack.client_id,
  ]);
}

/** Signs acks for an acker that has a key. */
export class AckSigner {
  readonly #signer: Signer;
  readonly #signV1: (ack: Ack) => string;

  private constructor(signer: Signer, signV1: (ack: Ack) => string) {
    this.#signer = signer;
    this.#signV1 = signV1;
  }

  /** With the acker's own key, else with the shared secret; null where neither is configured. */
  static of(keys: { readonly privateKey: NamedKey | null; readonly secret: string | null }): AckSigner | null {
    const { privateKey, secret } = keys;
    if (privateKey !== null) {
      return new AckSigner(new Ed25519Signer(privateKey), (ack) => signAckV1WithKey(ack, privateKey));
    }
    return secret === null ? null : new AckSigner(new HmacSigner(secret), (ack) => signAckV1(ack, secret));
  }

  /** @param outbox as the authenticated envelope named it; null for an envelope without proof, which gets version 1 */
  sign(ack: Ack, outbox: string | null): string {
    return outbox === null ? this.#signV1(ack) : this.#signer.sign(ackText(ack, outbox));
  }
}

export interface AckTrustOptions {
  readonly secrets: readonly (string | null)[];
  readonly publicKeys: readonly NamedKey[];
  readonly versions: readonly SignatureVersion[];
}

/** The keys whose acks a publisher accepts. */
export class AckTrust {
  readonly #secrets: readonly string[];
  readonly #publicKeys: readonly NamedKey[];
  readonly #trust: Trust;
  readonly #versions: ReadonlySet<SignatureVersion>;

  private constructor(secrets: readonly string[], { publicKeys, versions }: AckTrustOptions) {
    this.#secrets = secrets;
    this.#publicKeys = publicKeys;
    this.#trust = new Trust(secrets, publicKeys);
    this.#versions = new Set(versions);
  }

  /** Null where no key is configured: then every well-formed ack counts. */
  static of(options: AckTrustOptions): AckTrust | null {
    const secrets = options.secrets.filter((secret) => secret !== null);
    return secrets.length === 0 && options.publicKeys.length === 0 ? null : new AckTrust(secrets, options);
  }

  /** @param outbox id of this outbox */
  judge(ack: Ack, outbox: string): Judged {
    if (ack.signature === null) return UNSIGNED;
    if (!ack.signature.startsWith("v2:")) {
      return this.#versions.has("1") ? judgeAckV1(ack, this.#secrets, this.#publicKeys) : UNSIGNED;
    }
    // ACK-PROOF-2
    if (!this.#versions.has("2") || ack.topic === null || ack.checksum === null) return UNSIGNED;
    return this.#trust.judge(ack.signature, ackText(ack, outbox));
  }
}
