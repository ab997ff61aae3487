/**
 * Writes the outcomes of handlers: one statement for a batch.
 *
 * Invariants:
 *  FINISH-1. Fenced: only the owner of the lease finishes a message; the outcome of a later owner is not overwritten.
 *  FINISH-2. `received` gives the message back: its lease is over, and the next delivery is handled again.
 *  FINISH-3. Safe to run again after a commit whose answer was lost: what this owner finished then is returned once more.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { Moved } from "./inbox.ts";

export interface Finished {
  readonly messageId: string;
  readonly owner: string;
  readonly status: "processed" | "rejected" | "received";
  /** Why it was rejected or given back. */
  readonly reason: string | null;
}

// FINISH-1 is the condition on the owner; FINISH-2 the null of `lease_until`; FINISH-3 the second half of the union.
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

/** @returns the messages that are finished as asked; a missing one has another owner by now */
export function finishMessages(pool: Pool, batch: readonly Finished[]): Promise<DbResult<Moved>> {
  const sorted = batch.toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  return pool.run(FINISH, [
    pgArray(sorted.map((item) => item.messageId)),
    pgArray(sorted.map((item) => item.owner)),
    pgArray(sorted.map((item) => item.status)),
    pgArray(sorted.map((item) => item.reason)),
  ]);
}
