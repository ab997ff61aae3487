/** Keys of envelopes and acks, from the settings. */
import { AckTrust, VERSION_1_WARNING } from "@acktor/shared/protocol/ack-proof";
import { EnvelopeSigner } from "@acktor/shared/protocol/envelope-proof";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";

/** Signs envelopes; null without a key. */
export function envelopeSigner(config: PublisherSettings): EnvelopeSigner | null {
  return EnvelopeSigner.of({ privateKey: config.ACKTOR_ENVELOPE_PRIVATE_KEY, secret: config.ACKTOR_ACK_SECRET });
}

/** Verifies acks; null without a key: every well-formed ack is trusted. */
export function ackTrust(config: PublisherSettings, logger: Logger): AckTrust | null {
  const trust = AckTrust.of({
    secrets: [config.ACKTOR_ACK_SECRET, config.ACKTOR_ACK_SECRET_OLD],
    publicKeys: config.ACKTOR_ACK_PUBLIC_KEYS ?? [],
    versions: config.ACKTOR_ACK_SIGNATURES,
  });
  if (trust !== null && config.ACKTOR_ACK_SIGNATURES.includes("1")) logger.warn({}, VERSION_1_WARNING);
  return trust;
}
