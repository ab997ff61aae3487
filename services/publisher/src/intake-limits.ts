/** The limits of the intake, from the settings. */
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import type { PublisherSettings } from "@acktor/shared/runtime/settings";
import type { IntakeLimits } from "./intake/validate-message.ts";

export function limitsOf(config: PublisherSettings): IntakeLimits {
  return {
    reserved: [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX],
    defaultTtlMs: config.ACKTOR_DEFAULT_TTL,
    defaultMaxRetries: config.ACKTOR_MAX_RETRIES,
    defaultHoldMs: config.ACKTOR_BROKER_HOLD,
    retentionMs: config.ACKTOR_RETENTION,
    clock: SYSTEM_CLOCK,
  };
}
