/**
 * Records the outcome of PUBLISHes whose ack did not come first. The last attempt is in the row; the attempt before it moves
 * to delivery_attempt.
 *
 * Invariants:
 *  MARK_SENT-1. Only the owner's current token writes, and only to a row that is pending or sent: a late replica changes
 *               nothing, and a settled or rejected row does not change.
 *  MARK_SENT-2. Idempotent: the same token counts one attempt, however often its record is written.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { AttemptRecord } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows, sparseColumn } from "./sql-arrays.ts";

const MARK = `with a as materialized (
  select distinct on (message_id) * from unnest($1::uuid[], $2::int8[], $3::text[], $4::int2[], $5::text[], $6::float8[], $7::float8[])
    a(message_id, token, outcome, reason_code, breaker, ago_ms, next_ms)
  where ${planForFewRows("message_id")} order by message_id),
past as materialized (
  select m.message_id, m.attempts, m.last_outcome, m.last_reason_code, m.last_breaker, m.sent_at
  from a join publisher.message_delivery m using (message_id)
  where m.lease_token = a.token and m.state in ('pending', 'sent') and m.attempts > 0
    and m.sent_token is distinct from m.lease_token and m.last_outcome <> 'rejected'
  for update of m),
kept as (
  insert into publisher.delivery_attempt (message_id, attempt, outcome, reason_code, breaker, sent_at)
  select message_id, attempts, last_outcome, last_reason_code, last_breaker, sent_at from past)
update publisher.message_delivery m set
  state = case when a.outcome = 'acked' then 'sent' else m.state end,
  -- MARK_SENT-2
  attempts = m.attempts + case when m.sent_token is distinct from m.lease_token then 1 else 0 end,
  sent_token = m.lease_token, sent_at = now() - a.ago_ms * interval '1 millisecond', last_outcome = a.outcome,
  last_reason_code = a.reason_code, last_breaker = a.breaker, due_at = now() + a.next_ms * interval '1 millisecond',
  lease_owner = null, updated_at = now()
-- MARK_SENT-1
from a where m.message_id = a.message_id and m.lease_token = a.token and m.state in ('pending', 'sent')
  and not (m.last_outcome is not distinct from 'rejected' and m.sent_token is not distinct from m.lease_token)
  -- Read before the first row is written: a statement does not lock what it has already changed.
  and (select count(*) >= 0 from past)
returning m.message_id as "messageId"`;

/**
 * Writes attempts to their rows and sets when the rows are due again.
 * @returns the rows written; the row of a missing id has another owner, or was settled or rejected meanwhile
 */
export function markSent(
  pool: Pool,
  records: readonly AttemptRecord[],
): Promise<DbResult<{ readonly messageId: string }>> {
  return runBatch(pool, MARK, records, [
    column(records, (r) => r.messageId),
    column(records, (r) => r.leaseToken),
    column(records, (r) => r.outcome),
    sparseColumn(records, (r) => r.reasonCode),
    column(records, (r) => r.breaker),
    column(records, (r) => r.publishedAgoMs),
    column(records, (r) => r.nextInMs),
  ]);
}
