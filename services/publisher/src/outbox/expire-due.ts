/**
 * Expires messages whose time to live is over, in batches, skipping rows that other transactions lock: sweeps that wait
 * deadlock (17 in a trial). Around single rows that cannot be changed: SWEEP-1.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";
import { changeApart, type Shelf, sweepWhole } from "./sweep-apart.ts";

export const EXPIRE_BATCH = 1_000;

const IS_OVER = "due_at is not null and expires_at is not null and expires_at <= now()";
const END = `update publisher.message_delivery m
set state = 'expired', reason = 'expired', due_at = null, lease_owner = null, parked = false, updated_at = now()
from due where m.message_id = due.message_id and ${planForFewRows("due.message_id")} returning m.message_id as "messageId"`;

const EXPIRE = `with due as materialized (
  select message_id from publisher.message_delivery
  where ${IS_OVER}
  order by expires_at limit ${EXPIRE_BATCH} for update skip locked)
${END}`;

const LIST = `select message_id as "messageId" from publisher.message_delivery
where ${IS_OVER} and message_id <> all ($1::uuid[]) order by expires_at limit ${EXPIRE_BATCH}`;

const EXPIRE_THESE = `with due as materialized (
  select m.message_id from unnest($1::uuid[]) i(id) join publisher.message_delivery m on m.message_id = i.id
  where ${planForFewRows("i.id")} and ${IS_OVER} order by m.message_id for update of m skip locked)
${END}`;

interface Ids {
  readonly messageId: string;
}

/** Expires one batch. @returns the rows; as many as EXPIRE_BATCH means there may be more */
export function expireDue(pool: Pool): Promise<DbResult<Ids>> {
  return pool.run(EXPIRE);
}

/** As `expireDue`, around rows that cannot be changed. @returns how many expired */
export async function expireAround(pool: Pool, shelf: Shelf): Promise<Outcome<number>> {
  const whole = await sweepWhole(shelf, async () => counted(await expireDue(pool)));
  if (whole !== null) return whole;
  const over = await pool.run<Ids>(LIST, [pgArray(shelf.passedOver())]);
  if (!over.ok) return over;
  const ids = over.rows.map(({ messageId }) => messageId);
  return counted(await changeApart(shelf, ids, (part) => pool.run<Ids>(EXPIRE_THESE, [pgArray(part)])));
}

function counted(result: DbResult<Ids>): Outcome<number> {
  return result.ok ? { ok: true, value: result.rows.length } : result;
}
