/**
 * Replays dead letters: failed or expired → pending, attempts from 0, TTL from now. `spacingMs` spreads the due times, by the
 * database's clock; the TTL counts from there. The audit records who did it.
 *
 * Invariants:
 *  REPLAY-1. Refused for other states; for a message older than the inbox period unless `force` (its receiver may have
 *            forgotten that it processed it); for a keyed one unless `outOfOrder` (it takes a new place behind its successors).
 *  REPLAY-2. A new place in the lane is drawn under the lane's lock, as by the insert.
 *  REPLAY-3. The token rises, so that no write of the message's former life changes it.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { type Asker, askerParams } from "./asker.ts";
import { WHY_NOT } from "./judge-replay.ts";
import { idList, toOperatorResult } from "./operator-result.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

export interface ReplayOptions extends Asker {
  readonly inboxWindowMs: number;
  readonly force: boolean;
  readonly outOfOrder: boolean;
  /** Milliseconds from one message to the next, so that many of them are no burst. Default 0: all are due now. */
  readonly spacingMs?: number;
  /** Milliseconds until the first of them is due. Default 0. */
  readonly startInMs?: number;
}

const REPLAY = `with found as materialized (
  select m.message_id, m.state, m.topic, m.retain, m.ordering_key, m.created_at, m.attempts, m.sent_at, m.last_outcome, m.last_reason_code, m.last_breaker
  from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")} order by id) i join publisher.message_delivery m on m.message_id = i.id for update of m),
verdict as materialized (
  select f.*, ${WHY_NOT} why -- REPLAY-1
  from found f),
-- REPLAY-2
lanes as materialized (
  select publisher.lock_lanes(array(
    select unnest(array['k:' || ordering_key, case when retain then 'r:' || md5(topic) end]) from verdict where why is null)) locked),
kept as (
  insert into publisher.delivery_attempt (message_id, attempt, outcome, reason_code, breaker, sent_at)
  select message_id, attempts, last_outcome, last_reason_code, last_breaker, sent_at from verdict
  where why is null and attempts > 0 and last_outcome <> 'rejected'),
moved as (
  update publisher.message_delivery m set
    state = 'pending', due_at = v.due, seq = nextval('publisher.message_seq'), attempts = 0, reason = null, deliver_at = null,
    -- REPLAY-3: lease_token
    expires_at = v.due + m.ttl_ms * interval '1 millisecond', lease_owner = null, lease_token = m.lease_token + 1, sent_token = null,
    discarded_at = null, sent_at = null, last_outcome = null, last_reason_code = null, last_breaker = null, updated_at = now()
  from (select message_id, now() + ($6::float8 + $7::float8 * (row_number() over (order by message_id) - 1)) * interval '1 millisecond' due
    from verdict cross join lanes where locked and why is null order by message_id) v
  where m.message_id = v.message_id and ${planForFewRows("v.message_id")} returning m.message_id, m.state),
audit as (
  insert into publisher.operator_action (who, said, origin, action, detail, messages)
  select $5, $8, $9, 'replay', jsonb_build_object('message_ids', jsonb_agg(message_id), 'force', $3::boolean, 'out_of_order', $4::boolean, 'spacing_ms', $7::float8), count(*)
  from moved having count(*) > 0)
select i.id message_id, moved.state, v.why from unnest($1::uuid[]) i(id)
left join verdict v on v.message_id = i.id left join moved on moved.message_id = i.id`;

/** Replays messages by id, up to some thousands. */
export async function replayMessages(
  pool: Pool,
  messageIds: readonly string[],
  options: ReplayOptions,
): Promise<Outcome<OperatorResult>> {
  const { inboxWindowMs, force, outOfOrder, startInMs = 0, spacingMs = 0 } = options;
  const [who, said, origin] = askerParams(options);
  const params = [idList(messageIds), inboxWindowMs, force, outOfOrder, who, startInMs, spacingMs, said, origin];
  return toOperatorResult(await pool.run(REPLAY, params));
}
