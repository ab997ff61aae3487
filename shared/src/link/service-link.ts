/** The link of a service: made from its settings, its facts in the service's log. */
import type { AnyActor } from "xstate";
import { SYSTEM_CLOCK } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { AckerSettings, PublisherSettings } from "../runtime/settings.ts";
import { createLink } from "./create-link.ts";
import type { Link, Refusal } from "./link.ts";
import type { LinkObserver, LinkOptions } from "./link-options.ts";
import { type FreshReader, ServiceCredentials } from "./service-credentials.ts";

/** Settings that both services have. */
type LinkSettings = Pick<PublisherSettings, keyof PublisherSettings & keyof AckerSettings>;

type ServiceLinkOptions = Omit<LinkOptions, "url" | "observer"> & {
  readonly observer?: MachineObserver;
  /** Reads credentials again at each connect. Default: those of the start. */
  readonly fresh?: FreshReader;
};
type MachineObserver = Pick<LinkObserver, "machineStarted">;

/** Makes it; nothing connects before `connect`. `own`: what only this service has, such as client id and will. */
export function makeServiceLink(config: LinkSettings, logger: Logger, own: ServiceLinkOptions): Link {
  const { fresh = null, ...rest } = own;
  const link = createLink({
    url: config.MQTT_URL,
    credentials: new ServiceCredentials(config, fresh, SYSTEM_CLOCK),
    // Enhanced authentication is a part of MQTT 5.
    version: config.ACKTOR_MQTT_AUTH_METHOD === null ? config.ACKTOR_MQTT_VERSION : "5",
    keepaliveSeconds: Math.ceil(config.ACKTOR_KEEPALIVE / 1_000),
    connectTimeoutMs: config.ACKTOR_CONNECT_TIMEOUT,
    publishDeadlineMs: config.ACKTOR_PUBLISH_DEADLINE,
    publishRate: config.ACKTOR_PUBLISH_RATE,
    backoff: {
      kind: config.ACKTOR_BACKOFF,
      baseMs: config.ACKTOR_BACKOFF_BASE,
      capMs: config.ACKTOR_BACKOFF_CAP,
    },
    breaker: {
      windowMs: config.ACKTOR_BREAKER_WINDOW,
      minCalls: config.ACKTOR_BREAKER_MIN_CALLS,
      failureRatio: config.ACKTOR_BREAKER_FAILURE_RATIO,
    },
    ...rest,
    observer: new ServiceObserver(logger, own.observer),
  });
  link.on("link.transition", ({ region, from, to, event }) => {
    logger.info({ actor: "link", region, from, to, event }, `${region} ${from} → ${to}`);
  });
  const said = new RefusalLog(logger);
  link.on("link.refused", (refusal) => said.note(refusal));
  link.on("link.quota", ({ perSecond }) => {
    logger.warn(
      { actor: "link", perSecond },
      `over a quota of about ${perSecond}/s: the broker leaves PUBLISHes unanswered`,
    );
  });
  link.on("link.error", (failure) => logger.warn({ actor: "link", ...failure }, "link failure"));
  return link;
}

class ServiceObserver implements LinkObserver {
  readonly #logger: Logger;
  readonly #own: MachineObserver | undefined;

  constructor(logger: Logger, own: MachineObserver | undefined) {
    this.#logger = logger;
    this.#own = own;
  }

  listenerFailed(error: unknown, event: string): void {
    this.#logger.error({ err: error, event }, "a listener of the link failed");
  }

  machineStarted(actor: AnyActor): void {
    this.#own?.machineStarted?.(actor);
  }
}

/** Warns once of each thing that the broker refuses. */
class RefusalLog {
  readonly #logger: Logger;
  /** By feature, filter and code. At most one per filter and code: bounded by the settings. */
  readonly #said = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  note({ feature, filter, need, reason, code }: Refusal): void {
    const key = `${feature} ${filter} ${code}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    const what = { actor: "link", feature, filter, reason, code };
    if (feature === "will") this.#logger.warn(what, WILL_REFUSED);
    else if (need === "one_of") this.#logger.warn(what, DATA_REFUSED);
    else this.#logger.warn(what, filter?.startsWith("$share/") ? GROUP_REFUSED : OPTION_REFUSED);
  }
}

const WILL_REFUSED =
  "the broker refuses the will: publishers notice a crashed acker later; allow it, or set ACKTOR_PRESENCE=off";
const DATA_REFUSED =
  "the broker refuses this filter, and its messages do not arrive; allow the subscription, or remove it from ACKTOR_TOPICS";
const GROUP_REFUSED =
  "the broker refuses this filter of the group; every acker of the group now gets its messages: allow it, or unset ACKTOR_GROUP";
const OPTION_REFUSED =
  "the broker refuses this optional subscription; the service works without it: allow it, or set ACKTOR_PRESENCE=off";
