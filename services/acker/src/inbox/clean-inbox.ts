/** The janitor's role: cleans the inbox each hour, sooner after a failure. */
import type { Random } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import { Persister } from "@acktor/shared/runtime/persist";
import type { AckerSettings } from "@acktor/shared/runtime/settings";
import type { Role } from "@acktor/shared/runtime/supervisor";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { Inbox } from "./inbox.ts";

export interface CleanParts {
  readonly inbox: Pick<Inbox, "clean">;
  readonly config: Pick<AckerSettings, "ACKTOR_INBOX_WINDOW">;
  readonly random: Random;
  readonly logger: Logger;
  readonly troubles: Pick<TroubleDesk, "report">;
}

const EVERY_MS = 3_600_000;
const RETRY_MS = 30_000;

export class CleanInbox implements Role {
  readonly #parts: CleanParts;

  constructor(parts: CleanParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { inbox, config, random, logger, troubles } = this.#parts;
    const retry = { pauseMs: RETRY_MS, random, retriesRefusals: true };
    const persister = new Persister({ troubles, area: "janitor", stop: signal, ...retry });
    do {
      const answer = await persister.persist(() => inbox.clean(config.ACKTOR_INBOX_WINDOW, signal));
      const cleaned = answer.ok ? answer.rows[0] : undefined;
      if (cleaned !== undefined && (cleaned.dropped.length > 0 || cleaned.deleted > 0)) {
        logger.info({ dropped: cleaned.dropped, deleted: cleaned.deleted }, "old messages removed from the inbox");
      }
      // Spread, so that several ackers do not meet at the same locks.
    } while (await pause(EVERY_MS * (0.9 + random.next() * 0.2), signal));
  }
}
