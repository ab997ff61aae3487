/** Dead letters that a person knows to be processed: acknowledged by hand, oldest first; or how many that would be. */
import type { Pool } from "@acktor/shared/db/pool";
import { acknowledgeManually } from "./acknowledge-manually.ts";
import type { Asker } from "./asker.ts";
import { type DeadLetterFilter, type MovedDeadLetters, moveDeadLetters } from "./move-dead-letters.ts";
import { allMoved } from "./operator-result.ts";
import type { Outcome } from "./outbox.ts";

/** Acknowledges what matches. Nothing but its state speaks against a dead letter. */
export function acknowledgeDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  asker: Asker,
): Promise<Outcome<MovedDeadLetters>> {
  return moveDeadLetters(pool, filter, async (ids) =>
    filter.dryRun ? allMoved(ids, "acknowledged") : acknowledgeManually(pool, ids, asker),
  );
}
