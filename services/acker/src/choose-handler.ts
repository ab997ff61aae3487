/** Which handler works, and within which bounds. */
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Handler, HandlerRoute } from "./handle/handler.ts";
import { inboxHandler } from "./handle/inbox-handler.ts";
import { createLogHandler } from "./handle/log-handler.ts";
import { readHosts } from "./handle/public-address.ts";
import { createWebhookHandler } from "./handle/webhook-handler.ts";
import { VERSION } from "./version.ts";

const HANDLER_CONCURRENCY = 16;
export const HANDLER_TIMEOUT_MS = 30_000;

interface ChooseOptions {
  readonly config: AckerSettings;
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** Every handler that works after the row, with its bounds. */
export function routesOf(handler: Handler): readonly HandlerRoute[] {
  if (handler.mode === "row") return [];
  if (handler.mode === "routed") return handler.routes;
  const bounds = { concurrency: HANDLER_CONCURRENCY, timeoutMs: HANDLER_TIMEOUT_MS };
  return [{ filter: null, handler, effectOf: null, ...bounds }];
}

/** The built-in handler that the configuration names. */
export function chooseHandler({ config, logger, wallClock }: ChooseOptions): Handler {
  const { ACKTOR_HANDLER: name, ACKTOR_WEBHOOK_URL: url, ACKTOR_WEBHOOK_HOSTS: hosts } = config;
  if (name === "log") return createLogHandler(logger);
  if (name !== "webhook" || url === null) return inboxHandler;
  const secret = config.ACKTOR_WEBHOOK_SECRET;
  return createWebhookHandler({
    url,
    allowed: readHosts(hosts ?? []),
    secret,
    userAgent: `acktor/${VERSION}`,
    wallClock,
  });
}
