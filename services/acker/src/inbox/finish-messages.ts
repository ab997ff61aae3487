/**
 * Writes what a handler's work came to: one statement for a batch.
 *
 * Invariants:
 *  1. Fenced: only the owner of the lease finishes; whoever took over in between is not overwritten.
 *  2. `received` gives the message back: its lease is over, the next delivery is handled again.
 *  3. Safe to run again after a commit that nobody saw: what this owner finished then is returned once more.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";

export interface Finished {
  readonly messageId: string;
  readonly owner: string;
  readonly status: "processed" | "rejected" | "received";
  /** Why it was rejected or given back. */
  readonly reason: string | null;
}

const FINISH = `
with done as materialized (
  select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) d(message_id, owner, status, reason)),
moved as (
  update acker.inbox i set status = d.status, reason = d.reason, lease_until = null, handling = false,
    processed_at = case when d.status = 'processed' then now() end
  from done d where i.message_id = d.message_id and i.status = 'received' and i.lease_owner = d.owner
  returning i.message_id)
select message_id as "messageId" from moved
union
select d.message_id from done d join acker.inbox i using (message_id)
where i.lease_owner = d.owner and i.status = d.status`;

/** @returns the ids that are finished as asked; a missing one has another owner by now */
export function finishMessages(pool: Pool, batch: readonly Finished[]): Promise<DbResult<{ messageId: string }>> {
  const sorted = batch.toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  return pool.run(FINISH, [
    pgArray(sorted.map((item) => item.messageId)),
    pgArray(sorted.map((item) => item.owner)),
    pgArray(sorted.map((item) => item.status)),
    pgArray(sorted.map((item) => item.reason)),
  ]);
}
