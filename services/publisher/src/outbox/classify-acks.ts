/**
 * Why acks settled nothing: a second read, because doing it in the settling statement cost 400 ms per batch.
 *
 * Invariants:
 *  CLASSIFY-1. A further receiver's ack of an acknowledged message is recorded, once per message and client; an ack for an
 *              unknown id, or for another content or topic than the row's, is counted, never stored.
 *  CLASSIFY-2. Of one message about 100 further receivers are kept: any client can make up client ids. (Two publishers that
 *              count at the same time may keep a few more.)
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { isSameTopic } from "./is-same-message.ts";
import type { AckLeftover, AckRecord } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, sparseColumn } from "./sql-arrays.ts";

const MOST_FURTHER = 100;

// CLASSIFY-1: `fresh` and `on conflict`; CLASSIFY-2: `place`.
const CLASSIFY = `with ack as materialized (
  select distinct on (message_id, client_id) *
  from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    a(message_id, client_id, checksum, level, topic, signature, token) order by message_id, client_id),
found as materialized (
  select a.message_id, a.client_id, coalesce(a.level, 'processed') level, m.late, m.state, m.acked_by,
    a.signature, coalesce(a.token, m.lease_token::text) token,
    m.message_id is not null known, m.checksum <> coalesce(a.checksum, m.checksum) mismatch, not ${isSameTopic("a")} misrouted
  from ack a left join lateral (
    select * from publisher.message_delivery m where m.message_id = a.message_id limit 1) m on true),
fresh as materialized (
  select f.*, row_number() over (partition by f.message_id order by f.client_id) + (
      select count(*) from publisher.further_acknowledgment k where k.message_id = f.message_id) place
  from found f
  where known and not mismatch and not misrouted and state = 'acknowledged' and client_id is distinct from acked_by
    and not exists (select from publisher.further_acknowledgment k where k.message_id = f.message_id and k.client_id = f.client_id)),
put as (
  insert into publisher.further_acknowledgment (message_id, client_id, late, level, signature, token)
  select message_id, client_id, late, level, signature, token from fresh where place <= ${MOST_FURTHER}
  on conflict do nothing returning message_id, client_id)
select f.message_id as "messageId", case
    when not f.known then 'unknown' when f.mismatch then 'checksum_mismatch' when f.misrouted then 'topic_mismatch'
    when p.message_id is not null then 'other_client' when n.place > ${MOST_FURTHER} then 'too_many' else 'duplicate' end as leftover
from found f left join put p using (message_id, client_id) left join fresh n using (message_id, client_id)`;

/** Tells for each ack (per message and client) why it settled nothing. */
export function classifyAcks(
  pool: Pool,
  acks: readonly AckRecord[],
): Promise<DbResult<{ readonly messageId: string; readonly leftover: AckLeftover }>> {
  return runBatch(pool, CLASSIFY, acks, [
    column(acks, (a) => a.messageId),
    column(acks, (a) => a.clientId),
    sparseColumn(acks, (a) => a.checksum),
    sparseColumn(acks, (a) => (a.level === "processed" ? null : a.level)),
    sparseColumn(acks, (a) => a.topic),
    sparseColumn(acks, (a) => a.signature),
    sparseColumn(acks, (a) => a.token),
  ]);
}
