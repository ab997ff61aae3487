/** Messages whose time to live is over (S17, S21). In batches, skipping rows that others hold: sweeps that wait deadlock (17 in a trial). */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { few } from "./sql-arrays.ts";

export const EXPIRE_BATCH = 1_000;

const EXPIRE = `with due as materialized (
  select message_id from publisher.message_delivery
  where due_at is not null and expires_at is not null and expires_at <= now()
  order by expires_at limit ${EXPIRE_BATCH} for update skip locked)
update publisher.message_delivery m
set state = 'expired', reason = 'expired', due_at = null, lease_owner = null, parked = false, updated_at = now()
from due where m.message_id = due.message_id and ${few("due.message_id")} returning m.message_id as "messageId"`;

/** Expires one batch. @returns the rows; as many as EXPIRE_BATCH means there may be more */
export function expireDue(pool: Pool): Promise<DbResult<{ readonly messageId: string }>> {
  return pool.run(EXPIRE);
}
