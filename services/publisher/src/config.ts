/** The publisher's configuration: the settings, and the faults between them. */
import { isUnder } from "@acktor/shared/protocol/topics";
import { type ConfigResult, type Environment, readConfig } from "@acktor/shared/runtime/config";
import { exposureFault, knownNames, type PublisherSettings, publisherSettings } from "@acktor/shared/runtime/settings";

/** Reads and cross-checks the environment; all faults at once. */
export function readPublisherConfig(env: Environment): ConfigResult<PublisherSettings> {
  const result = readConfig(publisherSettings, env, knownNames);
  if (!result.ok) return result;
  const faults = crossFaults(result.config);
  return faults.length > 0 ? { ok: false, faults } : result;
}

function crossFaults(config: PublisherSettings): string[] {
  const faults: string[] = [];
  const exposed = exposureFault(config.HTTP_HOST, config.ACKTOR_API_TOKEN);
  if (exposed !== null) faults.push(exposed);
  const { ACKTOR_ACK_PREFIX: ack, ACKTOR_PRESENCE_PREFIX: presence } = config;
  if (isUnder(ack, presence) || isUnder(presence, ack)) {
    faults.push(
      `ACKTOR_ACK_PREFIX (${ack}) and ACKTOR_PRESENCE_PREFIX (${presence}) overlap. Choose two separate prefixes.`,
    );
  }
  if (config.ACKTOR_ACK_TIMEOUT_MIN > config.ACKTOR_ACK_TIMEOUT_MAX) {
    faults.push("ACKTOR_ACK_TIMEOUT_MIN is longer than ACKTOR_ACK_TIMEOUT_MAX.");
  }
  if (config.ACKTOR_DEFAULT_TTL !== null && config.ACKTOR_DEFAULT_TTL > config.ACKTOR_RETENTION) {
    faults.push("ACKTOR_DEFAULT_TTL is longer than ACKTOR_RETENTION.");
  }
  return faults;
}
