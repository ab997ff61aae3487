/** The audit is bounded: the newest 100,000 lines of the last 90 days. One batch, for the janitor. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

export const MOST_ACTIONS = 100_000;
const MOST_DAYS = 90;
const BATCH = 5_000;

const PURGE = `with old as materialized (
  select action_id from publisher.operator_action
  where at < now() - interval '${MOST_DAYS} days'
    or action_id <= (select action_id from publisher.operator_action order by action_id desc offset $1 limit 1)
  order by action_id limit ${BATCH} for update skip locked)
delete from publisher.operator_action a using old where a.action_id = old.action_id returning a.action_id`;

/** @returns how many lines left, and whether there may be more */
export async function purgeActions(
  pool: Pool,
  most = MOST_ACTIONS,
): Promise<Outcome<{ readonly deleted: number; readonly more: boolean }>> {
  const answer = await pool.run(PURGE, [most]);
  if (!answer.ok) return answer;
  return { ok: true, value: { deleted: answer.rows.length, more: answer.rows.length === BATCH } };
}
