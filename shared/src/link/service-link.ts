/** The link of a service: what its settings say of it, and its facts in the service's log. */
import type { Logger } from "../runtime/logger.ts";
import type { AckerSettings, PublisherSettings } from "../runtime/settings.ts";
import { createLink } from "./create-link.ts";
import type { Link } from "./link.ts";
import type { LinkOptions } from "./link-options.ts";

/** Settings that both services have. */
type LinkSettings = Pick<PublisherSettings, keyof PublisherSettings & keyof AckerSettings>;

/** Makes it; nothing connects before `connect`. `own` is what only this service says: client id, will and the like. */
export function makeServiceLink(config: LinkSettings, logger: Logger, own: Omit<LinkOptions, "url">): Link {
  const link = createLink({
    url: config.MQTT_URL,
    username: config.MQTT_USERNAME,
    password: config.MQTT_PASSWORD,
    tls: {
      ...(config.MQTT_CA === null ? {} : { ca: config.MQTT_CA }),
      ...(config.MQTT_CERT === null ? {} : { cert: config.MQTT_CERT }),
      ...(config.MQTT_KEY === null ? {} : { key: config.MQTT_KEY }),
    },
    version: config.ACKTOR_MQTT_VERSION,
    keepaliveSeconds: Math.ceil(config.ACKTOR_KEEPALIVE / 1_000),
    connectTimeoutMs: config.ACKTOR_CONNECT_TIMEOUT,
    publishDeadlineMs: config.ACKTOR_PUBLISH_DEADLINE,
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
    ...own,
  });
  link.on("link.transition", ({ region, from, to, event }) => {
    logger.info({ actor: "link", region, from, to, event }, `${region} ${from} → ${to}`);
  });
  link.on("link.error", (failure) => logger.warn({ actor: "link", ...failure }, "link failure"));
  return link;
}
