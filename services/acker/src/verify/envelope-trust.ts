/** Whose envelopes this acker processes, by its settings. */
import { VERSION_1_WARNING } from "@acktor/shared/protocol/ack-proof";
import { EnvelopeTrust } from "@acktor/shared/protocol/envelope-proof";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";

type TrustSettings = Pick<
  AckerSettings,
  "ACKTOR_ACK_SECRET" | "ACKTOR_ACK_SECRET_OLD" | "ACKTOR_ACK_SIGNATURES" | "ACKTOR_ENVELOPE_PUBLIC_KEYS"
>;

/** Null: no key is configured, so every envelope is processed. */
export function envelopeTrust(config: TrustSettings, logger: Logger, clock: Clock): EnvelopeTrust | null {
  const acceptsUnsigned = config.ACKTOR_ACK_SIGNATURES.includes("1");
  const trust = EnvelopeTrust.of({
    secrets: [config.ACKTOR_ACK_SECRET, config.ACKTOR_ACK_SECRET_OLD],
    publicKeys: config.ACKTOR_ENVELOPE_PUBLIC_KEYS ?? [],
    acceptsUnsigned,
    now: () => clock.now(),
  });
  if (trust !== null && acceptsUnsigned) logger.warn({}, VERSION_1_WARNING);
  return trust;
}
