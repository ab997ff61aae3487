/** The manual acknowledgment: a person states that a message was processed, and the row records who. */
import type { Pool } from "@acktor/shared/db/pool";
import { type Asker, askerParams } from "./asker.ts";
import { idList, toOperatorResult } from "./operator-result.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const ACKNOWLEDGE = `with found as materialized (
  select m.message_id, m.state from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")} order by id) i
  join publisher.message_delivery m on m.message_id = i.id for update of m),
moved as (
  update publisher.message_delivery m set
    state = 'acknowledged', late = f.state in ('failed', 'expired'), ack_level = 'operator', acknowledged_at = now(),
    acked_by = coalesce($3, $2), due_at = null, lease_owner = null, parked = false, updated_at = now()
  from (select message_id, state from found where state <> 'acknowledged' order by message_id) f
  where m.message_id = f.message_id and ${planForFewRows("f.message_id")} returning m.message_id, m.state, m.retry_count),
counted as (
  insert into publisher.tally (state, ack_level, messages, retries)
  select 'acknowledged', 'operator', count(*), sum(retry_count) from moved having count(*) > 0),
audit as (
  insert into publisher.operator_action (who, said, origin, action, detail, messages)
  select $2, $3, $4, 'acknowledge', jsonb_build_object('message_ids', jsonb_agg(message_id)), count(*) from moved having count(*) > 0)
select i.id message_id, moved.state, case when f.state is not null then 'the message is acknowledged already' end why
from unnest($1::uuid[]) i(id) left join moved on moved.message_id = i.id
left join (select message_id, state from found) f on f.message_id = i.id`;

/**
 * Acknowledges messages by id, from any state but acknowledged. In delivery_acknowledgment the client is the name that the
 * caller gave, with level `operator`; the audit has the principal.
 */
export async function acknowledgeManually(
  pool: Pool,
  messageIds: readonly string[],
  asker: Asker,
): Promise<Outcome<OperatorResult>> {
  return toOperatorResult(await pool.run(ACKNOWLEDGE, [idList(messageIds), ...askerParams(asker)]));
}
