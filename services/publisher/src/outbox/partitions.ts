/**
 * Makes and drops the partitions of days: finished messages leave with their day's partitions, never row by row.
 *
 * Invariants:
 *  PARTITION-1. No statement here waits for a lock longer than 100 ms, because all traffic would queue behind it; a day whose
 *               lock was not free is tried again at the next call.
 */
import type { DbFailure, Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

const LOCK_NOT_AVAILABLE = "55P03";
/** Making or dropping a day may scan its rows. */
const DEADLINE_MS = 60_000;
const STRAGGLERS = 1_000;

export interface DaysDone {
  /** `2026-01-31`, UTC. */
  readonly done: readonly string[];
  /** Locked, or (for dropping) with live rows: again later. */
  readonly waiting: readonly string[];
}

const MISSING = `select d::date::text as day from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 3, interval '1 day') d
where d::date not in (select publisher.partition_days()) order by 1`;

// Never less than the retention that the database knows (another replica may have set a longer one): it would refuse.
const KEEP = "greatest($1::float8 * interval '1 millisecond', publisher.retention())";

const OLD = `select day::text as day from publisher.partition_days() day
where (day + 1)::timestamp at time zone 'UTC' <= now() - ${KEEP} order by 1`;

const DELETE_STRAGGLERS = `select publisher.delete_stragglers(${KEEP}, ${STRAGGLERS}) deleted`;

/** Makes the partitions of yesterday to three days ahead that are missing. */
export async function ensurePartitions(pool: Pool): Promise<Outcome<DaysDone>> {
  const missing = await pool.run<{ day: string }>(MISSING);
  if (!missing.ok) return missing;
  return each(pool, "select true as done from publisher.create_partition($1::text::date)", missing.rows);
}

/**
 * Drops the days that ended before `retentionMs` ago and have no live row.
 * @param retentionMs from the end of the day
 */
export async function dropOldPartitions(pool: Pool, retentionMs: number): Promise<Outcome<DaysDone>> {
  const old = await pool.run<{ day: string }>(OLD, [retentionMs]);
  if (!old.ok) return old;
  return each(pool, "select publisher.drop_partition($1::text::date) as done", old.rows);
}

/** Deletes one batch of old finished rows from the default partition. @returns how many; STRAGGLERS = there may be more */
export async function deleteStragglers(
  pool: Pool,
  retentionMs: number,
): Promise<Outcome<{ readonly deleted: number; readonly more: boolean }>> {
  const answer = await pool.run<{ deleted: number }>(DELETE_STRAGGLERS, [retentionMs]);
  if (!answer.ok) return answer;
  const deleted = answer.rows[0]?.deleted ?? 0;
  return { ok: true, value: { deleted, more: deleted === STRAGGLERS } };
}

async function each(pool: Pool, text: string, days: readonly { readonly day: string }[]): Promise<Outcome<DaysDone>> {
  const done: string[] = [];
  const waiting: string[] = [];
  for (const { day } of days) {
    const answer = await pool.run<{ done: boolean }>(text, [day], { deadlineMs: DEADLINE_MS });
    if (!answer.ok && !isLocked(answer.failure)) return answer; // PARTITION-1
    (answer.ok && answer.rows[0]?.done ? done : waiting).push(day);
  }
  return { ok: true, value: { done, waiting } };
}

function isLocked(failure: DbFailure): boolean {
  return failure.kind === "rejected" && failure.code === LOCK_NOT_AVAILABLE;
}
