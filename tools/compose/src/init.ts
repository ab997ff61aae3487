/**
 * The one-shot `init` of docker-compose.yml: makes secrets and certificates once, and writes each container's own files.
 *
 *   node init.js --keys DIR --target DIR --topics FILTERS
 */

import { parseArgs } from "node:util";
import { DEFAULT_NATS_PREFIX, prefixFault } from "@acktor/shared/protocol/subjects";
import {
  DEFAULT_ACK_PREFIX,
  DEFAULT_PRESENCE_PREFIX,
  dataFilterFault,
  filterFault,
  topicFault,
} from "@acktor/shared/protocol/topics";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { prepareSecrets } from "./prepare-secrets.ts";

const { values } = parseArgs({
  options: {
    keys: { type: "string", default: "/keys" },
    target: { type: "string", default: "/for" },
    topics: { type: "string", default: "" },
    "ack-prefix": { type: "string", default: DEFAULT_ACK_PREFIX },
    "presence-prefix": { type: "string", default: DEFAULT_PRESENCE_PREFIX },
    "nats-prefix": { type: "string", default: DEFAULT_NATS_PREFIX },
    "require-certificate": { type: "string", default: "off" },
  },
});

const topics = values.topics.split(",").map((filter) => filter.trim());
const prefixes = [values["ack-prefix"], values["presence-prefix"]];
const faults = [
  ...topics.map((filter) => fault(`ACKTOR_TOPICS has ${JSON.stringify(filter)}, which`, topicsFault(filter))),
  fault(`ACKTOR_ACK_PREFIX: ${values["ack-prefix"]}`, topicFault(values["ack-prefix"])),
  fault(`ACKTOR_PRESENCE_PREFIX: ${values["presence-prefix"]}`, topicFault(values["presence-prefix"])),
  fault(`ACKTOR_NATS_PREFIX: ${values["nats-prefix"]}`, prefixFault(values["nats-prefix"])),
].filter((text) => text !== null);

if (faults.length > 0) {
  standardError.write(`acktor init: the configuration has ${faults.length} fault(s)\n  - ${faults.join("\n  - ")}\n`);
  process.exitCode = 2;
} else {
  const { made, certificates, written } = prepareSecrets({
    keys: values.keys,
    target: values.target,
    topics,
    ackPrefix: values["ack-prefix"],
    presencePrefix: values["presence-prefix"],
    natsPrefix: values["nats-prefix"],
    requireCertificate: values["require-certificate"] === "on",
  });
  standardOutput.write(
    `acktor init: ${made.length} secrets made, ${certificates.length} certificates issued, ${written.length} files written\n`,
  );
}

function fault(what: string, why: string | null): string | null {
  return why === null ? null : `${what} ${why}`;
}

/**
 * TOPICS-3, without the acker's exception for `#`: mosquitto's access list has no exclusions, so a filter that selects
 * acktor's own topics would let the publisher's user write acks.
 */
function topicsFault(filter: string): string | null {
  return filterFault(filter) ?? dataFilterFault(filter, prefixes);
}
