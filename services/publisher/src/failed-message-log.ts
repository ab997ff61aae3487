/** Log lines about messages that were marked failed: one a second for each reason, so that no sender can fill the log. */
import type { Clock } from "@acktor/shared/runtime/clock";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { FailedMessages } from "./outbox/outbox.ts";

const LOG_EVERY_MS = 1_000;

export class FailedMessageLog implements FailedMessages {
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock, LOG_EVERY_MS);
  }

  failed(messageId: string, reason: string): void {
    const unsaid = this.#throttle.admit(`failed ${reason}`);
    if (unsaid !== null) this.#logger.warn({ message_id: messageId, reason, unsaid }, "message marked failed");
  }
}
