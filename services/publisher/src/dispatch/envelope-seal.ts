/**
 * Seals envelopes: says from which outbox they come, and signs them where a key is configured.
 *
 * With a key every envelope that leaves is signed, and its signature covers the topic of its PUBLISH.
 */
import type { Envelope } from "@acktor/shared/protocol/envelope";
import type { EnvelopeSigner } from "@acktor/shared/protocol/envelope-proof";
import type { OutboxIdentity } from "../outbox/outbox-identity.ts";

export class EnvelopeSeal {
  readonly #signer: EnvelopeSigner | null;
  readonly #outbox: OutboxIdentity;

  /** @param signer null: envelopes are not signed */
  constructor(signer: EnvelopeSigner | null, outbox: OutboxIdentity) {
    this.#signer = signer;
    this.#outbox = outbox;
  }

  /** The outbox as a signed envelope names it; null where envelopes are not signed. */
  get outbox(): string | null {
    return this.#signer === null ? null : this.#outbox.id;
  }

  /** @param envelope with `outbox` and `topic` */
  sign(envelope: Envelope): string | null {
    return this.#signer === null ? null : this.#signer.sign(envelope);
  }
}
