/**
 * One lease for a batch whose handlers run before its rows are written (migrations/0001_inbox.sql).
 *
 * Invariants:
 *  1. A message of it is neither in the inbox nor in another batch, and whoever receives it meanwhile leaves it.
 *  2. It ends with the statement that writes the last of its messages; a crash before makes suspects of them.
 */
import { type DbResult, type Param, type Pool, pgArray } from "@acktor/shared/db/pool";

export interface BatchLease {
  /** This run of the process. */
  readonly run: string;
  /** Batches of a process side by side have one each. */
  readonly lane: number;
  /** Its ids, ascending. */
  readonly ids: readonly string[];
}

/** Ends a lease, and not the next one of its lane when it comes late. Its parameters, `endParams`, begin with `$from`. */
export function endText(from: number): string {
  return `update acker.batch_lease set lease_until = null, message_ids = '{}', least_id = null, most_id = null
where run = $${from}::text and lane = $${from + 1}::int2 and least_id = $${from + 2}::uuid`;
}

export function endParams({ run, lane, ids }: BatchLease): Param[] {
  return [run, lane, ids[0] ?? null];
}

const BEGIN =
  "select acker.begin_batch($1::text, $2::int2, $3::uuid[], $4::float8 * interval '1 millisecond') as begun";

/** @returns false when one of its messages is known already */
export function beginBatch(
  pool: Pool,
  { run, lane, ids }: BatchLease,
  leaseMs: number,
): Promise<DbResult<{ begun: boolean }>> {
  return pool.run(BEGIN, [run, lane, pgArray(ids), leaseMs]);
}

export function endBatch(pool: Pool, lease: BatchLease): Promise<DbResult<never>> {
  return pool.run<never>(endText(1), endParams(lease));
}

/** What of a process is left when it ends in order: then no handler runs any more. */
export function leaveBatches(pool: Pool, run: string): Promise<DbResult<never>> {
  return pool.run<never>("delete from acker.batch_lease where run = $1::text", [run]);
}

/** Rows of processes that are gone; one of a process that lives is made anew. What a crash left is forgotten after a day. */
export function sweepBatches(pool: Pool): Promise<DbResult<never>> {
  return pool.run<never>(
    "delete from acker.batch_lease where lease_until is null or lease_until < now() - interval '1 day'",
  );
}
