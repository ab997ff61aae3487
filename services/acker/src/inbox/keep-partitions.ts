/**
 * Cleaning of the inbox: makes partitions for the days to come, drops messages that are older than the inbox remembers,
 * and deletes what dead processes left. Each step is one statement that waits for locks for at most 100 ms; the next round
 * retries it.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { sweepBatches } from "./batch-lease.ts";

/** What one round did. */
export interface Cleaned {
  readonly made: number;
  readonly dropped: readonly string[];
  readonly deleted: number;
}

/** Partitions exist this many days ahead: an acker that cannot reach the database for so long loses no speed. */
const DAYS_AHEAD = 3;
const DELETE_BATCH = 1_000;
/** Bounds one round; the rest waits for the next. */
const MAX_STEPS = 1_000;

const DELETE = "select acker.delete_old_rows($1::float8 * interval '1 millisecond', $2::int) as deleted";

/** Makes the partitions of yesterday to three days from now. @returns how many were missing */
export function ensurePartitions(pool: Pool): Promise<DbResult<{ made: number }>> {
  return pool.run<{ made: number }>("select acker.ensure_inbox_partitions($1::int) as made", [DAYS_AHEAD]);
}

/**
 * One round.
 * @param rememberMs how long a message is remembered after it was received
 * @param signal ends the round between two statements
 */
export async function keepPartitions(pool: Pool, rememberMs: number, signal: AbortSignal): Promise<DbResult<Cleaned>> {
  const made = await ensurePartitions(pool);
  if (!made.ok) return made;
  const dropped: string[] = [];
  for (let step = 0; step < MAX_STEPS && !signal.aborted; step++) {
    const drop = await pool.run<{ name: string | null }>(
      "select acker.drop_old_inbox_partition($1::float8 * interval '1 millisecond') as name",
      [rememberMs],
    );
    if (!drop.ok) return drop;
    const name = drop.rows[0]?.name ?? null;
    if (name === null) break;
    dropped.push(name);
  }
  let deleted = 0;
  for (let step = 0; step < MAX_STEPS && !signal.aborted; step++) {
    const batch = await pool.run<{ deleted: number }>(DELETE, [rememberMs, DELETE_BATCH]);
    if (!batch.ok) return batch;
    deleted += batch.rows[0]?.deleted ?? 0;
    if ((batch.rows[0]?.deleted ?? 0) < DELETE_BATCH) break;
  }
  const swept = await sweepBatches(pool);
  return swept.ok ? { ok: true, rows: [{ made: made.rows[0]?.made ?? 0, dropped, deleted }] } : swept;
}
