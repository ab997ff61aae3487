/**
 * Dead letters back into the outbox: failed or expired → pending, tries from 0, TTL from now (SPEC words, 4).
 *
 * Invariants:
 *  1. Refused for other states; for a message older than the inbox window unless `force` (its receiver may have forgotten
 *     that it processed it); for a keyed one unless `outOfOrder` (it takes a new place behind its successors).
 *  2. A new place in the lane is drawn under the lane's lock, as by the insert.
 *  3. The token rises, so that nothing from the message's former life can write to it. Who did it is recorded.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { idList, toOperatorResult } from "./operator-result.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import { few } from "./sql-arrays.ts";

export interface ReplayOptions {
  readonly inboxWindowMs: number;
  readonly force: boolean;
  readonly outOfOrder: boolean;
  readonly who: string;
}

const REPLAY = `with found as materialized (
  select m.message_id, m.state, m.topic, m.retain, m.ordering_key, m.created_at, m.attempts, m.sent_at, m.last_outcome, m.last_reason_code, m.last_breaker
  from (select id from unnest($1::uuid[]) id where ${few("id")} order by id) i join publisher.message_delivery m on m.message_id = i.id for update of m),
verdict as materialized (
  select f.*, case
      when state not in ('failed', 'expired') then format('the message is %s; only failed and expired ones can be replayed', state)
      when not $3::boolean and created_at < now() - $2::float8 * interval '1 millisecond'
        then 'the message is older than the inbox window, so its receiver may process it a second time; force replays it all the same'
      when not $4::boolean and ordering_key is not null
        then 'the message has an ordering key and would follow its successors; out_of_order replays it all the same' end why
  from found f),
lanes as materialized (
  select publisher.lock_lanes(array(
    select unnest(array['k:' || ordering_key, case when retain then 'r:' || md5(topic) end]) from verdict where why is null)) locked),
kept as (
  insert into publisher.delivery_attempt (message_id, attempt, outcome, reason_code, breaker, sent_at)
  select message_id, attempts, last_outcome, last_reason_code, last_breaker, sent_at from verdict
  where why is null and attempts > 0 and last_outcome <> 'rejected'),
moved as (
  update publisher.message_delivery m set
    state = 'pending', due_at = now(), seq = nextval('publisher.message_seq'), attempts = 0, reason = null, deliver_at = null,
    expires_at = now() + m.ttl_ms * interval '1 millisecond', lease_owner = null, lease_token = m.lease_token + 1, sent_token = null,
    discarded_at = null, sent_at = null, last_outcome = null, last_reason_code = null, last_breaker = null, updated_at = now()
  from (select message_id from verdict cross join lanes where locked and why is null order by message_id) v
  where m.message_id = v.message_id and ${few("v.message_id")} returning m.message_id, m.state),
audit as (
  insert into publisher.operator_action (who, action, detail, messages)
  select $5, 'replay', jsonb_build_object('message_ids', jsonb_agg(message_id), 'force', $3::boolean, 'out_of_order', $4::boolean), count(*)
  from moved having count(*) > 0)
select i.id message_id, moved.state, v.why from unnest($1::uuid[]) i(id)
left join verdict v on v.message_id = i.id left join moved on moved.message_id = i.id`;

/** Replays messages by id, up to some thousands. */
export async function replayMessages(
  pool: Pool,
  messageIds: readonly string[],
  options: ReplayOptions,
): Promise<Outcome<OperatorResult>> {
  const { inboxWindowMs, force, outOfOrder, who } = options;
  return toOperatorResult(await pool.run(REPLAY, [idList(messageIds), inboxWindowMs, force, outOfOrder, who]));
}
