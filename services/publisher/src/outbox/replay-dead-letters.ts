/**
 * Dead letters (failed and expired) that match, oldest first, back into the outbox.
 *
 * Invariant: each chunk is one statement and one audited action; a failure between two chunks leaves whole chunks replayed
 * and the rest dead, and the same call goes on from there.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";
import { type ReplayOptions, replayMessages } from "./replay-messages.ts";

const CHUNK = 1_000;

export interface DeadLetterFilter {
  /** The whole reason; null = any. */
  readonly reason: string | null;
  /** The whole topic; null = any. */
  readonly topic: string | null;
  readonly limit: number;
  /** Counts only. */
  readonly dryRun: boolean;
}

export interface ReplayedDeadLetters {
  readonly matched: number;
  readonly replayed: number;
  /** Matched, but not replayed (too old, keyed, or moved meanwhile). */
  readonly refused: number;
}

const FIND = `select message_id from publisher.message_delivery
where state in ('failed', 'expired') and discarded_at is null and (reason = $1 or $1 is null) and (topic = $2 or $2 is null)
order by message_id limit $3`;

/** Ids that match, oldest first; what was discarded has been looked after. */
export async function findDeadLetters(pool: Pool, filter: DeadLetterFilter): Promise<Outcome<readonly string[]>> {
  const found = await pool.run<{ message_id: string }>(FIND, [filter.reason, filter.topic, filter.limit]);
  return found.ok ? { ok: true, value: found.rows.map((row) => row.message_id) } : found;
}

/** Replays what matches, by the rules of `replayMessages`. */
export async function replayDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  options: ReplayOptions,
): Promise<Outcome<ReplayedDeadLetters>> {
  const found = await findDeadLetters(pool, filter);
  if (!found.ok) return found;
  const ids = found.value;
  let replayed = 0;
  for (let at = 0; at < ids.length && !filter.dryRun; at += CHUNK) {
    const chunk = await replayMessages(pool, ids.slice(at, at + CHUNK), options);
    if (!chunk.ok) return chunk;
    replayed += chunk.value.moved.length;
  }
  return { ok: true, value: { matched: ids.length, replayed, refused: filter.dryRun ? 0 : ids.length - replayed } };
}
