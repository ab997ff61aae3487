/** Log lines about messages that were not taken: one line per kind and reason in a while, however many arrive. */
import type { Clock } from "@acktor/shared/runtime/clock";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";

export class Notices {
  readonly #logger: Logger;
  readonly #throttle: LogThrottle;

  constructor(logger: Logger, clock: Pick<Clock, "now">) {
    this.#logger = logger;
    this.#throttle = new LogThrottle(clock);
  }

  notTaken(kind: string, reason: string, topic: string, id: string | undefined): void {
    const unsaid = this.#throttle.admit(`${kind}: ${reason}`);
    if (unsaid === null) return;
    const fields = { kind, reason: printable(reason), topic: printable(topic), unsaid };
    this.#logger.warn(id === undefined ? fields : { message_id: printable(id), ...fields }, "a message was not taken");
  }
}
