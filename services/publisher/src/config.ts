/** The publisher's configuration: the settings, and the faults between them. */

import { dataFilterFault } from "@acktor/shared/protocol/topics";
import { type ConfigResult, type Environment, readConfig } from "@acktor/shared/runtime/config";
import { oneWayFault, sharedFaults } from "@acktor/shared/runtime/setting-faults";
import { knownNames, type PublisherSettings, publisherSettings } from "@acktor/shared/runtime/settings";

/** Reads and cross-checks the environment; all faults at once. */
export function readPublisherConfig(env: Environment): ConfigResult<PublisherSettings> {
  return readConfig(publisherSettings, env, knownNames, crossFaults);
}

/** To wait for one's turn, and to write what became of the PUBLISH. */
const LEASE_BEYOND_DEADLINE_MS = 3_000;

function crossFaults(config: Partial<PublisherSettings>): string[] {
  const faults = sharedFaults(config);
  if (exceeds(config.ACKTOR_ACK_TIMEOUT_MIN, config.ACKTOR_ACK_TIMEOUT_MAX)) {
    faults.push("ACKTOR_ACK_TIMEOUT_MIN is longer than ACKTOR_ACK_TIMEOUT_MAX.");
  }
  if (exceeds(config.ACKTOR_DEFAULT_TTL, config.ACKTOR_RETENTION)) {
    faults.push("ACKTOR_DEFAULT_TTL is longer than ACKTOR_RETENTION.");
  }
  const { ACKTOR_PRESENCE_FROM: sources, ACKTOR_ACK_PREFIX: acks, ACKTOR_PRESENCE_PREFIX: presence } = config;
  for (const { filters, isUplink } of sources ?? []) {
    const fault = isUplink ? dataFilterFault(filters.join(), [acks ?? "", presence ?? ""]) : null;
    if (fault !== null) faults.push(`ACKTOR_PRESENCE_FROM ${fault}`);
  }
  const keys = { name: "ACKTOR_ACK_PUBLIC_KEYS", isSet: isGiven(config.ACKTOR_ACK_PUBLIC_KEYS) };
  const needed = { name: "ACKTOR_ENVELOPE_PRIVATE_KEY", isSet: isGiven(config.ACKTOR_ENVELOPE_PRIVATE_KEY) };
  const oneWay = oneWayFault(keys, needed, config);
  if (oneWay !== null) faults.push(oneWay);
  const { ACKTOR_LEASE: leaseMs, ACKTOR_PUBLISH_DEADLINE: deadlineMs } = config;
  if (leaseMs !== undefined && deadlineMs !== undefined && deadlineMs + LEASE_BEYOND_DEADLINE_MS > leaseMs) {
    faults.push(
      "ACKTOR_LEASE is shorter than ACKTOR_PUBLISH_DEADLINE and 3s: a PUBLISH and its record would not fit into it.",
    );
  }
  return faults;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** False also where one of them is not set, or could not be read. */
function exceeds(value: number | null | undefined, limit: number | undefined): boolean {
  return typeof value === "number" && limit !== undefined && value > limit;
}
