/**
 * Envelopes that prove their sender and their topic (version 2).
 *
 * Invariants:
 *  ENV-PROOF-1. The signature covers everything that a receiver acts on: outbox, message id, topic as sent, checksum,
 *               attempt token, expiry, encoding and type of the content, whether and where an ack is wanted, retry count,
 *               ordering key. The other fields (`timestamp`, `traceparent`) are shown, never acted on.
 *  ENV-PROOF-2. An envelope is authentic on the topic that it was sent to, and on no other: a copy elsewhere is refused, so
 *               an acker never signs an answer for a message that was meant for another acker. A topic that its acker's
 *               operator declared to be changed on the way (topic-map.ts) is changed back before.
 */
import type { Envelope } from "./envelope.ts";
import type { NamedKey } from "./keys.ts";
import { Ed25519Signer, HmacSigner, type Signer, signedFields, signedSeconds, Trust } from "./signing.ts";
import { VerifyBudget } from "./verify-budget.ts";

/** The origin of an authentic envelope; its ack repeats it. */
export interface EnvelopeProof {
  readonly outbox: string;
  /** As it was sent. */
  readonly topic: string;
}

/** The text that a signature of version 2 covers. ENV-PROOF-1 */
export function envelopeText(e: Envelope): string {
  return signedFields("acktor-envelope-v2", [
    e.outbox,
    e.message_id,
    e.topic,
    e.checksum,
    e.attempt_token,
    signedSeconds(e.expires_in),
    e.content_encoding,
    e.content_type,
    String(e.requires_ack),
    e.ack_topic,
    String(e.retry_count),
    e.ordering_key,
  ]);
}

/** Signs the envelopes of one outbox. */
export class EnvelopeSigner {
  readonly #signer: Signer;

  private constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** With the publisher's own key, else with the shared secret; null where neither is configured. */
  static of(keys: { readonly privateKey: NamedKey | null; readonly secret: string | null }): EnvelopeSigner | null {
    if (keys.privateKey !== null) return new EnvelopeSigner(new Ed25519Signer(keys.privateKey));
    return keys.secret === null ? null : new EnvelopeSigner(new HmacSigner(keys.secret));
  }

  sign(envelope: Envelope): string {
    return this.#signer.sign(envelopeText(envelope));
  }
}

export type Authenticated =
  | { readonly kind: "authentic"; readonly proof: EnvelopeProof }
  /** Without a signature, where version 1 is still accepted. */
  | { readonly kind: "unproven" }
  | { readonly kind: "refused"; readonly reason: string };

export interface EnvelopeTrustOptions {
  readonly secrets: readonly (string | null)[];
  readonly publicKeys: readonly NamedKey[];
  /** Whether envelopes without a signature are processed, too. */
  readonly acceptsUnsigned: boolean;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The keys whose envelopes an acker processes. */
export class EnvelopeTrust {
  readonly #trust: Trust;
  readonly #acceptsUnsigned: boolean;
  /** A flood of forged Ed25519 signatures takes a bounded share of a core. */
  readonly #budget: VerifyBudget;

  private constructor(secrets: readonly string[], { publicKeys, acceptsUnsigned, now }: EnvelopeTrustOptions) {
    this.#trust = new Trust(secrets, publicKeys);
    this.#acceptsUnsigned = acceptsUnsigned;
    this.#budget = new VerifyBudget(now);
  }

  /** Null where no key is configured: then every well-formed envelope is processed. */
  static of(options: EnvelopeTrustOptions): EnvelopeTrust | null {
    const secrets = options.secrets.filter((secret) => secret !== null);
    return secrets.length === 0 && options.publicKeys.length === 0 ? null : new EnvelopeTrust(secrets, options);
  }

  /** @param topic on which it arrived, after declared changes */
  authenticate(envelope: Envelope, topic: string): Authenticated {
    if (envelope.signature === null) return this.#acceptsUnsigned ? UNPROVEN : NO_SIGNATURE;
    if (envelope.outbox === null || envelope.topic === null || envelope.checksum === null) return INCOMPLETE;
    if (envelope.topic !== topic) return OTHER_TOPIC; // ENV-PROOF-2
    const judged = this.#trust.judge(envelope.signature, envelopeText(envelope));
    if (judged.kind === "unsigned") return NOT_TRUSTED;
    if (judged.kind === "ed25519") {
      const holds = this.#budget.check(judged.verify, true);
      if (holds !== true) return holds === null ? TOO_MANY : NOT_TRUSTED;
    }
    return { kind: "authentic", proof: { outbox: envelope.outbox, topic } };
  }
}

const refused = (reason: string): Authenticated => ({ kind: "refused", reason });
const UNPROVEN: Authenticated = { kind: "unproven" };
const NO_SIGNATURE = refused(
  "carries no signature of version 2: give its publisher the key (ACKTOR_ACK_SECRET), or accept version 1 for a time",
);
const INCOMPLETE = refused("is signed without outbox, topic or checksum");
const OTHER_TOPIC = refused("was sent to another topic than the one on which it arrived");
const NOT_TRUSTED = refused(
  "carries a signature that no trusted key made: give publisher and acker the same ACKTOR_ACK_SECRET, or list its key in ACKTOR_ENVELOPE_PUBLIC_KEYS",
);
const TOO_MANY = refused("was not verified: too many forged signatures came before it");
