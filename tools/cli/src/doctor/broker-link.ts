/**
 * Connections to the broker as the services make them, for the doctor, which looks and leaves.
 *
 * Invariants:
 *  BROKER_LINK-1. The doctor never takes over a service's session, and never takes a message from a group: its client id is its
 *                 own, and it joins no group.
 *  BROKER_LINK-2. Its will is not retained: one that is would stay in the broker after its line broke, and publishers would count a lost acker.
 */
import { randomBytes } from "node:crypto";
import type { Link, LinkInfo } from "@acktor/shared/link/link";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import { SYSTEM_CLOCK, SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import type { AckerSettings, PublisherSettings } from "@acktor/shared/runtime/settings";

const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore };

function ignore(): void {
  // The doctor reports what the link would log.
}

/** BROKER_LINK-1. Accepted by brokers that take 23 letters and digits alone. */
function ownClientId(): string {
  return `acktordoctor${randomBytes(5).toString("hex")}`;
}

/** As a publisher connects. */
export function publisherLink(config: PublisherSettings): Link {
  const link = makeServiceLink(config, SILENT, { clientId: ownClientId() });
  link.subscribe({ filter: `${config.ACKTOR_ACK_PREFIX}/+`, qos: 1, ignoresRetained: true });
  if (config.ACKTOR_PRESENCE === "on") {
    link.subscribe({ filter: `${config.ACKTOR_PRESENCE_PREFIX}/+`, qos: 1, need: "optional" });
  }
  return link;
}

/** As an acker connects: with its will and all its filters, without its group. BROKER_LINK-2 */
export async function ackerLink(config: AckerSettings): Promise<Link> {
  const { makeLink } = await import("@acktor/acker/subscribe/make-link");
  const { arrivingFilters } = await import("@acktor/acker/subscribe/choose-filters");
  const clientId = ownClientId();
  const link = makeLink({
    ...{ config, instance: clientId, clientId, logger: SILENT, clock: SYSTEM_CLOCK, random: SYSTEM_RANDOM },
    observer: {},
    retainsWill: false,
  });
  for (const filter of arrivingFilters(config)) {
    link.subscribe({ filter, qos: 1, need: "one_of", ignoresRetained: true });
  }
  return link;
}

/** Connects, or tries for `waitMs`. */
export async function connected(link: Link, waitMs: number): Promise<LinkInfo> {
  await link.connect({ waitMs });
  return link.info();
}
