/** The janitor's role: the inbox's housekeeping, each hour, sooner after a failure. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import { keepPartitions } from "./inbox/keep-partitions.ts";

export interface HouseOptions {
  readonly pool: Pool;
  /** How long the inbox remembers a message. */
  readonly windowMs: number;
  readonly random: () => number;
  readonly logger: Logger;
  readonly troubles: TroubleDesk;
}

const EVERY_MS = 3_600_000;
const AGAIN_MS = 30_000;

/** Ends with its signal. */
export async function keepHouse(options: HouseOptions, signal: AbortSignal): Promise<void> {
  const { pool, windowMs, random, logger, troubles } = options;
  for (;;) {
    const kept = troubles.report("janitor", await keepPartitions(pool, windowMs, signal));
    if (kept.ok && (kept.dropped.length > 0 || kept.deleted > 0)) {
      logger.info({ dropped: kept.dropped, deleted: kept.deleted }, "old messages left the inbox");
    }
    // Spread, so that several ackers do not meet at the same locks.
    const wait = (kept.ok ? EVERY_MS : AGAIN_MS) * (0.9 + random() * 0.2);
    if (!(await pause(wait, signal))) return;
  }
}
