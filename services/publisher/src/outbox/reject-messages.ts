/**
 * `rejected` acks: the receiver has the message and does not process it, or not yet. Retryable: the row is due again, or is
 * marked failed with `max_retries` when no retry is left. Not retryable: it is marked failed with `rejected: <reason>`. The
 * rejection ends its attempt and is recorded in delivery_attempt.
 *
 * Invariants:
 *  REJECT-1. A rejection of other content, or on another topic, changes nothing, on any replica.
 *  REJECT-2. Only a rejection with the row's checksum is final; one without a checksum is retryable.
 *  REJECT-3. Only the current attempt token counts, once.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { isSameMessage } from "./is-same-message.ts";
import type { Rejection } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows, sparseColumn } from "./sql-arrays.ts";

const REJECT = `with r as materialized (
  select distinct on (message_id) * from unnest($1::uuid[], $2::int8[], $3::text[], $4::text[], $5::boolean[], $6::float8[],
      $7::text[], $8::text[], $9::text[])
    r(message_id, token, client_id, reason, asks_retry, retry_ms, checksum, topic, signature)
  where ${planForFewRows("message_id")} order by message_id, token desc, checksum nulls last),
row as materialized (
  select m.message_id, m.attempts, m.sent_at, m.last_outcome, m.last_reason_code, m.last_breaker, r.client_id, r.reason, r.retry_ms, r.signature,
    retryable and (m.max_retries is null or m.attempts + fresh <= m.max_retries) again, retryable, fresh
  from r join publisher.message_delivery m using (message_id)
  cross join lateral (select case when m.sent_token is distinct from m.lease_token then 1 else 0 end fresh,
    r.asks_retry or r.checksum is null retryable) f -- REJECT-2
  -- REJECT-1, REJECT-3
  where ${isSameMessage("r")} and m.lease_token = r.token and m.state in ('pending', 'sent')
    and not (m.last_outcome is not distinct from 'rejected' and m.sent_token is not distinct from m.lease_token)
  for update of m),
kept as (
  insert into publisher.delivery_attempt (message_id, attempt, outcome, reason_code, breaker, sent_at, client_id, detail, signature)
  select message_id, attempts, last_outcome, last_reason_code, last_breaker, sent_at, null, null, null from row
    where fresh = 1 and attempts > 0 and last_outcome <> 'rejected'
  union all
  select message_id, attempts + fresh, 'rejected', case when fresh = 0 then last_reason_code end, last_breaker,
    case when fresh = 0 then sent_at end, client_id, reason, signature from row)
update publisher.message_delivery m set
  state = case when row.again then m.state else 'failed' end,
  due_at = case when row.again then now() + row.retry_ms * interval '1 millisecond' end,
  reason = case when not row.again and row.retryable then 'max_retries' else 'rejected: ' || row.reason end,
  attempts = row.attempts + row.fresh, sent_token = m.lease_token, last_outcome = 'rejected',
  lease_owner = null, parked = false, updated_at = now()
from row where m.message_id = row.message_id and ${planForFewRows("row.message_id")}
returning m.message_id as "messageId", m.state`;

/** @returns the rows that the rejections changed, with their new state */
export function rejectMessages(
  pool: Pool,
  rejections: readonly Rejection[],
): Promise<DbResult<{ readonly messageId: string; readonly state: "pending" | "sent" | "failed" }>> {
  return runBatch(pool, REJECT, rejections, [
    column(rejections, (r) => r.messageId),
    column(rejections, (r) => r.leaseToken),
    column(rejections, (r) => r.clientId),
    column(rejections, (r) => r.reason),
    column(rejections, (r) => r.retryable),
    column(rejections, (r) => r.retryInMs),
    sparseColumn(rejections, (r) => r.checksum),
    sparseColumn(rejections, (r) => r.topic),
    sparseColumn(rejections, (r) => r.signature),
  ]);
}
