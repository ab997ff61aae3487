/** Replays dead letters (failed and expired) that match, oldest first; or tells what a replay would do. */
import type { Pool } from "@acktor/shared/db/pool";
import { judgeReplay } from "./judge-replay.ts";
import { type DeadLetterFilter, type MovedDeadLetters, moveDeadLetters } from "./move-dead-letters.ts";
import type { Outcome } from "./outbox.ts";
import { type ReplayOptions, replayMessages } from "./replay-messages.ts";

/** By the rules of `replayMessages`. */
export function replayDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  options: ReplayOptions,
): Promise<Outcome<MovedDeadLetters>> {
  const { spacingMs = 0 } = options;
  return moveDeadLetters(pool, filter, (ids, before) =>
    filter.dryRun
      ? judgeReplay(pool, ids, options)
      : replayMessages(pool, ids, { ...options, startInMs: before * spacingMs }),
  );
}
