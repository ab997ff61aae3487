/**
 * One lease for a batch whose handlers run before its rows are written (migrations/0001_inbox.sql, docs/adr/0016).
 *
 * Invariants:
 *  BATCH_LEASE-1. A message of a batch is neither in the inbox nor in another batch; other ackers that receive it skip it.
 *  BATCH_LEASE-2. The lease ends in the statement that writes the last message of its batch; a crash before that makes
 *                 suspects of them.
 *  BATCH_LEASE-3. An end that arrives late does not end the next lease of the same slot.
 */
import { type DbResult, type Param, type Pool, pgArray } from "@acktor/shared/db/pool";

export interface BatchLease {
  /** This run of the process. */
  readonly run: string;
  /** Column `lane`: batches of one process that are under way at the same time have one slot each. */
  readonly slot: number;
  /** Ids of its messages, ascending. */
  readonly ids: readonly string[];
}

/** Ends a lease, as a part of a larger statement, too (BATCH_LEASE-2). Its parameters, `endParams`, begin with `$from`. */
// BATCH_LEASE-3: only the lease with this first message.
export function endText(from: number): string {
  return `update acker.batch_lease set lease_until = null, message_ids = '{}', least_id = null, most_id = null
where run = $${from}::text and lane = $${from + 1}::int2 and least_id = $${from + 2}::uuid`;
}

export function endParams({ run, slot, ids }: BatchLease): Param[] {
  return [run, slot, ids[0] ?? null];
}

// BATCH_LEASE-1: the function looks into the inbox and the other batches under the lock of `acker.batch_gate`.
const BEGIN =
  "select acker.begin_batch($1::text, $2::int2, $3::uuid[], $4::float8 * interval '1 millisecond') as begun";

/** @returns `begun: false` when one of its messages is known already */
export function beginBatch(
  pool: Pool,
  { run, slot, ids }: BatchLease,
  leaseMs: number,
): Promise<DbResult<{ readonly begun: boolean }>> {
  return pool.run(BEGIN, [run, slot, pgArray(ids), leaseMs]);
}

export function endBatch(pool: Pool, lease: BatchLease): Promise<DbResult<never>> {
  return pool.run<never>(endText(1), endParams(lease));
}

/** Deletes the rows of a run of the process whose handlers have all ended. */
export function leaveBatches(pool: Pool, run: string): Promise<DbResult<never>> {
  return pool.run<never>("delete from acker.batch_lease where run = $1::text", [run]);
}

/** Deletes rows without a lease, which a live process writes again, and what a crash left a day ago. */
export function sweepBatches(pool: Pool): Promise<DbResult<never>> {
  return pool.run<never>(
    "delete from acker.batch_lease where lease_until is null or lease_until < now() - interval '1 day'",
  );
}
