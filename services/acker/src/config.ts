/** The acker's configuration: the settings, and the faults between them. */
import { isUnder } from "@acktor/shared/protocol/topics";
import { type ConfigResult, type Environment, readConfig } from "@acktor/shared/runtime/config";
import { type AckerSettings, ackerSettings, exposureFault, knownNames } from "@acktor/shared/runtime/settings";

/** Reads and cross-checks the environment; all faults at once. */
export function readAckerConfig(env: Environment): ConfigResult<AckerSettings> {
  const result = readConfig(ackerSettings, env, knownNames);
  if (!result.ok) return result;
  const faults = crossFaults(result.config);
  return faults.length > 0 ? { ok: false, faults } : result;
}

function crossFaults(config: AckerSettings): string[] {
  const faults: string[] = [];
  const exposed = exposureFault(config.HTTP_HOST, config.ACKTOR_API_TOKEN);
  if (exposed !== null) faults.push(exposed);
  const { ACKTOR_ACK_PREFIX: ack, ACKTOR_PRESENCE_PREFIX: presence } = config;
  if (isUnder(ack, presence) || isUnder(presence, ack)) {
    faults.push(
      `ACKTOR_ACK_PREFIX (${ack}) and ACKTOR_PRESENCE_PREFIX (${presence}) overlap. Choose two separate prefixes.`,
    );
  }
  for (const topic of config.ACKTOR_TOPICS) {
    if (topic.startsWith("$share/")) {
      faults.push(
        `ACKTOR_TOPICS has ${topic}: name the filter alone, and the group in ACKTOR_GROUP=${groupIn(topic)}.`,
      );
    }
    const own = [ack, presence].find((prefix) => isUnder(topic, prefix));
    if (own !== undefined) faults.push(`ACKTOR_TOPICS has ${topic}, which lies under our own prefix ${own}.`);
  }
  return faults;
}

function groupIn(shared: string): string {
  return shared.split("/")[1] || "ackers";
}
