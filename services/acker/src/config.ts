/** The acker's configuration: the settings, and faults of their combinations. */
import { isIP } from "node:net";
import { birthFault } from "@acktor/shared/protocol/presence";
import { dataFilterFault } from "@acktor/shared/protocol/topics";
import { type ConfigResult, type Environment, readConfig } from "@acktor/shared/runtime/config";
import { oneWayFault, sharedFaults } from "@acktor/shared/runtime/setting-faults";
import { type AckerSettings, ackerSettings, knownNames } from "@acktor/shared/runtime/settings";
import { hostFault, isAllowedAddress, isListed, plainName, readHosts } from "./process/handlers/public-address.ts";
import { birthFilters } from "./subscribe/choose-filters.ts";

/** Reads and cross-checks the environment; reports every fault. */
export function readAckerConfig(env: Environment): ConfigResult<AckerSettings> {
  return readConfig(ackerSettings, env, knownNames, crossFaults);
}

function crossFaults(config: Partial<AckerSettings>): string[] {
  const faults = sharedFaults(config);
  const prefixes = [config.ACKTOR_ACK_PREFIX, config.ACKTOR_PRESENCE_PREFIX].filter((prefix) => prefix !== undefined);
  for (const topic of config.ACKTOR_TOPICS ?? []) {
    // TOPICS-3. `#` alone means everything else: the acker leaves acktor's own topics out. No other filter has that meaning.
    const fault = topic === "#" ? null : dataFilterFault(topic, prefixes);
    if (fault !== null) faults.push(`ACKTOR_TOPICS has ${topic}, which ${fault}.`);
  }
  const { ACKTOR_TOPICS: topics = [], ACKTOR_TOPIC_MAP: map = null } = config;
  const tooLarge = birthFault(birthFilters({ ACKTOR_TOPICS: topics, ACKTOR_TOPIC_MAP: map }));
  if (tooLarge !== null) {
    faults.push(
      `ACKTOR_TOPICS ${tooLarge}: publishers would ignore this acker's announcement. Use wildcards, or several ackers.`,
    );
  }
  const key = { name: "ACKTOR_ACK_PRIVATE_KEY", isSet: isGiven(config.ACKTOR_ACK_PRIVATE_KEY) };
  const needed = { name: "ACKTOR_ENVELOPE_PUBLIC_KEYS", isSet: isGiven(config.ACKTOR_ENVELOPE_PUBLIC_KEYS) };
  const oneWay = oneWayFault(key, needed, config);
  return [...faults, ...(oneWay === null ? [] : [oneWay]), ...webhookFaults(config)];
}

/** Faults of a webhook that are known before the first message. */
function webhookFaults(config: Partial<AckerSettings>): string[] {
  const { ACKTOR_HANDLER: handler, ACKTOR_WEBHOOK_URL: given, ACKTOR_WEBHOOK_HOSTS: items } = config;
  const bad = (items ?? []).filter((item) => hostFault(item) !== null);
  if (bad.length > 0) return bad.map((item) => `ACKTOR_WEBHOOK_HOSTS has ${item}, which ${hostFault(item)}.`);
  if (handler !== "webhook") return [];
  if (given === null) return ["ACKTOR_HANDLER is webhook, so ACKTOR_WEBHOOK_URL is required."];
  if (given === undefined) return [];
  const { hostname, username, password } = new URL(given);
  if (username !== "" || password !== "") {
    return ["ACKTOR_WEBHOOK_URL has a user name or a password. Sign instead: ACKTOR_WEBHOOK_SECRET_FILE."];
  }
  const host = plainName(hostname);
  const hosts = readHosts(items ?? []);
  if (items !== null && items !== undefined && !isListed(host, hosts)) {
    return [`ACKTOR_WEBHOOK_HOSTS does not list ${host}, the host of ACKTOR_WEBHOOK_URL.`];
  }
  if (isIP(host) !== 0 && !isAllowedAddress(host, hosts)) {
    return [`ACKTOR_WEBHOOK_URL goes to ${host}, which is not public. Example: ACKTOR_WEBHOOK_HOSTS=${host}`];
  }
  return [];
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
