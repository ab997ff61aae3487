/** Logs commands over HTTP that a caller may not give. The acker has no audit of its own. */
import { COMMAND_ROUTES } from "@acktor/shared/inspect/command-routes";
import { type ApiFault, ERROR_CODES } from "@acktor/shared/runtime/api-error";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import type { RefusalObserver } from "@acktor/shared/runtime/http-guard";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { FastifyRequest } from "fastify";

/** Between two lines of one command. */
const EVERY_MS = 10_000;

export class RefusedCommands implements RefusalObserver {
  readonly #logger: Logger;
  readonly #throttle = new LogThrottle(SYSTEM_CLOCK, EVERY_MS);

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** The same commands and codes as the publisher's audit. */
  note(request: FastifyRequest, fault: ApiFault): void {
    const action = COMMAND_ROUTES[request.routeOptions.url ?? ""];
    const { status } = ERROR_CODES[fault.code];
    if (action === undefined || (status !== 401 && status !== 403)) return;
    const unsaid = this.#throttle.admit(action);
    if (unsaid === null) return;
    const left = unsaid === 0 ? "" : `; ${unsaid} more since the last such line`;
    const from = request.ip;
    this.#logger.warn({ action, from, code: fault.code }, `refused an operator's command: ${fault.message}${left}`);
  }
}
