/**
 * Dead letters that a person knows to be processed: acknowledged by hand, oldest first.
 *
 * Invariant: each chunk is one statement and one audited action; the same call goes on from where a failure left it.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { acknowledgeManually } from "./acknowledge-manually.ts";
import type { Outcome } from "./outbox.ts";
import { type DeadLetterFilter, findDeadLetters } from "./replay-dead-letters.ts";

const CHUNK = 1_000;

export interface AcknowledgedDeadLetters {
  readonly matched: number;
  readonly acknowledged: number;
  /** Matched, but moved meanwhile. */
  readonly refused: number;
}

export async function acknowledgeDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  options: { readonly who: string },
): Promise<Outcome<AcknowledgedDeadLetters>> {
  const found = await findDeadLetters(pool, filter);
  if (!found.ok) return found;
  const ids = found.value;
  let acknowledged = 0;
  for (let at = 0; at < ids.length && !filter.dryRun; at += CHUNK) {
    const chunk = await acknowledgeManually(pool, ids.slice(at, at + CHUNK), options);
    if (!chunk.ok) return chunk;
    acknowledged += chunk.value.moved.length;
  }
  return {
    ok: true,
    value: { matched: ids.length, acknowledged, refused: filter.dryRun ? 0 : ids.length - acknowledged },
  };
}
