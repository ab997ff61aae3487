/** Cancels messages: pending or sent → failed, reason `cancelled`; the audit records who did it. */
import type { Pool } from "@acktor/shared/db/pool";
import { type Asker, askerParams } from "./asker.ts";
import { idList, toOperatorResult } from "./operator-result.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const CANCEL = `with found as materialized (
  select m.message_id, m.state from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")} order by id) i
  join publisher.message_delivery m on m.message_id = i.id for update of m),
moved as (
  update publisher.message_delivery m
  set state = 'failed', reason = 'cancelled', due_at = null, lease_owner = null, parked = false, updated_at = now()
  from (select message_id from found where state in ('pending', 'sent') order by message_id) f
  where m.message_id = f.message_id and ${planForFewRows("f.message_id")} returning m.message_id, m.state),
audit as (
  insert into publisher.operator_action (who, said, origin, action, detail, messages)
  select $2, $3, $4, 'cancel', jsonb_build_object('message_ids', jsonb_agg(message_id)), count(*) from moved having count(*) > 0)
select i.id message_id, moved.state,
  case when f.state is not null then format('the message is %s; only pending and sent ones can be cancelled', f.state) end why
from unnest($1::uuid[]) i(id) left join moved on moved.message_id = i.id
left join (select message_id, state from found) f on f.message_id = i.id`;

/** Cancels messages by id. A message in flight may still arrive; its ack then counts as late. */
export async function cancelMessages(
  pool: Pool,
  messageIds: readonly string[],
  asker: Asker,
): Promise<Outcome<OperatorResult>> {
  return toOperatorResult(await pool.run(CANCEL, [idList(messageIds), ...askerParams(asker)]));
}
