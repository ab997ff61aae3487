/** Which handler works, and within which bounds. */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import { VERSION } from "../../version.ts";
import type { Handler, HandlerRoute, RowHandler } from "./handler.ts";
import { createLogHandler } from "./log-handler.ts";
import { readHosts } from "./public-address.ts";
import { createWebhookHandler } from "./webhook-handler.ts";

export const HANDLER_BOUNDS = { concurrency: 16, timeoutMs: 30_000 } as const;

/** The default: a message is processed when its row is in the inbox. Applications read the table. */
const INBOX_HANDLER: RowHandler = { name: "inbox", mode: "row" };

interface ChooseOptions {
  readonly config: Pick<
    AckerSettings,
    "ACKTOR_HANDLER" | "ACKTOR_WEBHOOK_URL" | "ACKTOR_WEBHOOK_HOSTS" | "ACKTOR_WEBHOOK_SECRET"
  >;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Every handler that runs code, with its bounds. */
export function routesOf(handler: Exclude<Handler, RowHandler>): readonly HandlerRoute[] {
  return handler.mode === "routed" ? handler.routes : [{ filter: null, handler, ...HANDLER_BOUNDS }];
}

/** The built-in handler that the configuration names. */
export function chooseHandler({ config, logger, clock }: ChooseOptions): Handler {
  const { ACKTOR_HANDLER: name, ACKTOR_WEBHOOK_URL: url, ACKTOR_WEBHOOK_HOSTS: hosts } = config;
  if (name === "log") return createLogHandler(logger);
  if (name !== "webhook" || url === null) return INBOX_HANDLER;
  const allowed = readHosts(hosts ?? []);
  const userAgent = `acktor/${VERSION}`;
  return createWebhookHandler({ url, allowed, secret: config.ACKTOR_WEBHOOK_SECRET, userAgent, clock });
}
