/** The link of an acker: its will, and `$share` on 3.1.1 where configured, beside what every service's link has. */
import type { Link } from "@acktor/shared/link/link";
import { makeServiceLink } from "@acktor/shared/link/service-link";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { AnyActor } from "xstate";
import type { Will } from "./subscribe/presence.ts";

export interface AckerLinkOptions {
  readonly config: AckerSettings;
  readonly clientId: string;
  /** Asked at each connection. */
  readonly will: () => Will;
  readonly logger: Logger;
  readonly random: () => number;
  readonly onActor: (actor: AnyActor) => void;
}

/** Makes it; nothing connects before `connect`. */
export function makeLink({ config, clientId, will, logger, random, onActor }: AckerLinkOptions): Link {
  const sharedSubscriptionsOn311 = config.ACKTOR_SHARED_ON_311 === "on";
  return makeServiceLink(config, logger, {
    clientId,
    will,
    random: { next: random },
    observer: { machineStarted: onActor },
    sharedSubscriptionsOn311,
  });
}
