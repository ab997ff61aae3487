/** The acker's configuration: the settings, and the faults between them. */
import { isUnder } from "@acktor/shared/protocol/topics";
import { type ConfigResult, type Environment, readConfig } from "@acktor/shared/runtime/config";
import { type AckerSettings, ackerSettings, knownNames, sharedFaults } from "@acktor/shared/runtime/settings";

/** Reads and cross-checks the environment; all faults at once. */
export function readAckerConfig(env: Environment): ConfigResult<AckerSettings> {
  return readConfig(ackerSettings, env, knownNames, crossFaults);
}

function crossFaults(config: Partial<AckerSettings>): string[] {
  const faults = sharedFaults(config);
  for (const topic of config.ACKTOR_TOPICS ?? []) {
    if (topic.startsWith("$share/")) {
      faults.push(
        `ACKTOR_TOPICS has ${topic}: name the filter alone, and the group in ACKTOR_GROUP=${groupIn(topic)}.`,
      );
    }
    const prefixes = [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX];
    const own = prefixes.find((prefix) => prefix !== undefined && isUnder(topic, prefix));
    if (own !== undefined) faults.push(`ACKTOR_TOPICS has ${topic}, which lies under our own prefix ${own}.`);
  }
  return faults;
}

function groupIn(shared: string): string {
  return shared.split("/")[1] || "ackers";
}
