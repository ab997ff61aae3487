/** The link of an acker: its will where presence is on, and `$share` on MQTT 3.1.1 where configured, in addition to a service's link. */
import type { Link } from "@acktor/shared/link/link";
import type { LinkObserver } from "@acktor/shared/link/link-options";
import type { FreshReader } from "@acktor/shared/link/service-credentials";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import type { Clock, Random } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { birthFilters } from "./choose-filters.ts";
import { presenceWill } from "./presence.ts";

export interface AckerLinkParts {
  readonly config: AckerSettings;
  readonly instance: string;
  readonly clientId: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: LinkObserver;
  /** Reads credentials again at each connect. */
  readonly fresh?: FreshReader;
  /** Default true. False: nothing stays of a connection that breaks. */
  readonly retainsWill?: boolean;
}

/** Makes it; nothing connects before `connect`. */
export function makeLink(parts: AckerLinkParts): Link {
  const { config, instance, clientId, logger, clock, random, observer, fresh } = parts;
  const { retainsWill: retain = true } = parts;
  const presence = { prefix: config.ACKTOR_PRESENCE_PREFIX, instance, filters: birthFilters(config), clock };
  return makeServiceLink(config, logger, {
    clientId,
    ...(config.ACKTOR_PRESENCE === "on" ? { will: () => ({ ...presenceWill(presence), retain }) } : {}),
    random,
    observer,
    ...(fresh === undefined ? {} : { fresh }),
    sharedSubscriptionsOn311: config.ACKTOR_SHARED_ON_311 === "on",
  });
}
