/** The link of an acker: its settings, its will, and its facts in the log. */
import { createLink } from "@acktor/shared/link/create-link";
import type { Link } from "@acktor/shared/link/link";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Will } from "./subscribe/presence.ts";

export interface AckerLinkOptions {
  readonly config: AckerSettings;
  readonly clientId: string;
  /** Asked at each connection. */
  readonly will: () => Will;
  readonly logger: Logger;
  readonly random: () => number;
}

/** Makes it; nothing connects before `connect`. */
export function makeLink(options: AckerLinkOptions): Link {
  const { config, clientId, will, logger, random } = options;
  const link = createLink({
    url: config.MQTT_URL,
    username: config.MQTT_USERNAME,
    password: config.MQTT_PASSWORD,
    clientId,
    will,
    version: config.ACKTOR_MQTT_VERSION,
    keepaliveSeconds: Math.ceil(config.ACKTOR_KEEPALIVE / 1_000),
    connectTimeoutMs: config.ACKTOR_CONNECT_TIMEOUT,
    publishDeadlineMs: config.ACKTOR_PUBLISH_DEADLINE,
    sharedSubscriptionsOn311: config.ACKTOR_SHARED_ON_311 === "on",
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
    onListenerError: (error, event) => logger.error({ err: error, event }, "a listener of the link failed"),
    random,
  });
  link.on("link.transition", ({ region, from, to, event }) => {
    logger.info({ actor: "link", region, from, to, event }, `${region} ${from} → ${to}`);
  });
  link.on("link.error", (failure) => logger.warn({ actor: "link", ...failure }, "link failure"));
  return link;
}
