/** Acknowledges dead letters that a person knows to be processed, oldest first; or counts them. */
import type { Pool } from "@acktor/shared/db/pool";
import { acknowledgeManually } from "./acknowledge-manually.ts";
import type { Asker } from "./asker.ts";
import { type DeadLetterFilter, type MovedDeadLetters, moveDeadLetters } from "./move-dead-letters.ts";
import { allMoved } from "./operator-result.ts";
import type { Outcome } from "./outbox.ts";

/** Acknowledges all dead letters that match; none is refused for another reason than its state. */
export function acknowledgeDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  asker: Asker,
): Promise<Outcome<MovedDeadLetters>> {
  return moveDeadLetters(pool, filter, async (ids) =>
    filter.dryRun ? allMoved(ids, "acknowledged") : acknowledgeManually(pool, ids, asker),
  );
}
