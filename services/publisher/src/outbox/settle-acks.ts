/**
 * Settles acks: the row becomes acknowledged. The row records who acked first, and when; `classifyAcks` records further
 * receivers. Where the `sent` write was saved because the ack came first, this statement fills the attempt in, and the attempt
 * before it moves to delivery_attempt (`past` reads only retries, before the first row is written).
 *
 * Invariants:
 *  SETTLE-1. An ack whose checksum or topic is not the row's changes nothing.
 *  SETTLE-2. The first ack makes a row acknowledged, from pending, sent, failed or expired (the last two: `late`); an
 *            acknowledged row does not change.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { isSameMessage } from "./is-same-message.ts";
import type { AckRecord, Settled } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows, sparseColumn } from "./sql-arrays.ts";

/** Stands for a PUBACK that had not come when the ack did. */
const NO_PUBACK = -1;

// Reading an array costs about 1 µs an element, so what nearly every ack has (attempt 1, PUBACK 0) is not sent.
const statement = (past: string, guard: string): string => `with ack as materialized (
  select distinct on (message_id) message_id, client_id, checksum, level, ago_ms, topic, signature, token,
    case when ago_ms is not null then coalesce(attempt, 1) end attempt, nullif(coalesce(reason_code, 0), ${NO_PUBACK}) reason_code
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::float8[], $7::int2[],
      $8::text[], $9::text[], $10::text[])
    a(message_id, client_id, checksum, level, attempt, ago_ms, reason_code, topic, signature, token)
  where ${planForFewRows("message_id")} order by message_id),
${past}moved as (
  update publisher.message_delivery m set
    state = 'acknowledged', late = m.state in ('failed', 'expired'), ack_level = coalesce(a.level, 'processed'),
    acknowledged_at = now(), acked_by = a.client_id, ack_signature = a.signature, ack_token = nullif(a.token, m.lease_token::text), due_at = null, lease_owner = null, parked = false, updated_at = now(),
    attempts = greatest(m.attempts, a.attempt),
    sent_at = case when a.attempt > m.attempts then now() - a.ago_ms * interval '1 millisecond' else m.sent_at end,
    last_outcome = case when a.attempt > m.attempts then 'acked' else m.last_outcome end,
    last_reason_code = case when a.attempt > m.attempts then a.reason_code else m.last_reason_code end,
    last_breaker = case when a.attempt > m.attempts then 'CLOSED' else m.last_breaker end
  from ack a
  -- SETTLE-1, SETTLE-2
  where m.message_id = a.message_id and m.state <> 'acknowledged' and ${isSameMessage("a")}${guard}
  returning m.message_id, m.late, m.ack_level, m.retry_count, m.created_at, case when a.ago_ms is null then m.topic end topic),
counted as (
  insert into publisher.tally (state, ack_level, messages, retries)
  select 'acknowledged', ack_level, count(*), sum(retry_count) from moved group by ack_level)
select message_id as "messageId", late, ((extract(epoch from now()) - extract(epoch from created_at)) * 1000)::float8 as "ageMs", topic from moved`;

// Only retries have a previous attempt: with these two parts the statement of the others would cost about 0.2 ms more.
const PAST = `past as materialized (
  select m.message_id, m.attempts, m.last_outcome, m.last_reason_code, m.last_breaker, m.sent_at
  from ack a join publisher.message_delivery m using (message_id)
  where a.attempt > 1 and m.attempts between 1 and a.attempt - 1 and m.last_outcome <> 'rejected'
    and m.state <> 'acknowledged' and ${isSameMessage("a")}
  for update of m),
kept as (
  insert into publisher.delivery_attempt (message_id, attempt, outcome, reason_code, breaker, sent_at)
  select message_id, attempts, last_outcome, last_reason_code, last_breaker, sent_at from past),
`;
const SETTLE = statement("", "");
const SETTLE_RETRIES = statement(PAST, " and (select count(*) >= 0 from past)");

/**
 * Settles acks that passed verification.
 * @param acks of several for one message the first client by order counts
 * @returns one row for each message that this call made acknowledged
 */
export function settleAcks(pool: Pool, acks: readonly AckRecord[]): Promise<DbResult<Settled>> {
  const retries = acks.some((a) => a.attempt !== null && a.attempt > 1);
  return runBatch(pool, retries ? SETTLE_RETRIES : SETTLE, acks, [
    column(acks, (a) => a.messageId),
    column(acks, (a) => a.clientId),
    sparseColumn(acks, (a) => a.checksum),
    sparseColumn(acks, (a) => (a.level === "processed" ? null : a.level)),
    sparseColumn(acks, (a) => (a.attempt === 1 ? null : a.attempt)),
    sparseColumn(acks, (a) => (a.attempt === null ? null : (a.publishedAgoMs ?? 0))),
    sparseColumn(acks, (a) => (a.reasonCode === 0 || a.attempt === null ? null : (a.reasonCode ?? NO_PUBACK))),
    sparseColumn(acks, (a) => a.topic),
    sparseColumn(acks, (a) => a.signature),
    sparseColumn(acks, (a) => a.token),
  ]);
}
