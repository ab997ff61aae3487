/**
 * Discards dead letters (failed and expired), oldest first: they leave the lists of dead letters and keep their state, so
 * that each can still be replayed by its id, and a late ack still counts.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { type Asker, askerParams } from "./asker.ts";
import { type DeadLetterFilter, type MovedDeadLetters, moveDeadLetters } from "./move-dead-letters.ts";
import { allMoved, idList, toOperatorResult } from "./operator-result.ts";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const DISCARD = `with found as materialized (
  select m.message_id, m.state, m.discarded_at from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")} order by id) i
  join publisher.message_delivery m on m.message_id = i.id for update of m),
marked as (
  update publisher.message_delivery m set discarded_at = now(), updated_at = now()
  from (select message_id from found where state in ('failed', 'expired') and discarded_at is null order by message_id) f
  where m.message_id = f.message_id and ${planForFewRows("f.message_id")} returning m.message_id),
audit as (
  insert into publisher.operator_action (who, said, origin, action, detail, messages)
  select $2, $3, $4, 'discard', jsonb_build_object('message_ids', jsonb_agg(message_id)), count(*) from marked having count(*) > 0)
select i.id message_id, f.state state, case
    when f.state is null then 'it moved meanwhile, or was discarded before' end why
from unnest($1::uuid[]) i(id)
left join (select message_id, state from found join marked using (message_id)) f on f.message_id = i.id`;

/** Discards all dead letters that match and were not discarded before. */
export function discardDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  asker: Asker,
): Promise<Outcome<MovedDeadLetters>> {
  return moveDeadLetters(pool, filter, async (ids) =>
    filter.dryRun
      ? allMoved(ids, "failed")
      : toOperatorResult(await pool.run(DISCARD, [idList(ids), ...askerParams(asker)])),
  );
}
