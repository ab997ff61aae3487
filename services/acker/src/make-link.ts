/** The link of an acker: its settings, its will, and its facts in the log. */
import { createLink } from "@acktor/shared/link/create-link";
import type { Link } from "@acktor/shared/link/link";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Will } from "./subscribe/presence.ts";

export interface AckerLinkOptions {
  readonly config: AckerSettings;
  readonly clientId: string;
  readonly will: Will;
  readonly logger: Logger;
}

/** Makes it; nothing connects before `connect`. */
export function makeLink({ config, clientId, will, logger }: AckerLinkOptions): Link {
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
  });
  link.on("link.transition", ({ region, from, to, event }) => {
    logger.info({ actor: "link", region, from, to, event }, `${region} ${from} → ${to}`);
  });
  link.on("link.error", (failure) => logger.warn({ actor: "link", ...failure }, "link failure"));
  return link;
}
