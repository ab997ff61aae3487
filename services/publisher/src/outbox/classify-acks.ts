/**
 * Why acks moved nothing: a second read, because asking in the settling statement cost 400 ms per batch.
 *
 * Invariant: a further receiver's ack of an acknowledged message is recorded (SPEC 3: per message and client); an ack for
 * an unknown id is counted, never stored.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { AckLeftover, AckRecord } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, sparseColumn } from "./sql-arrays.ts";

const CLASSIFY = `with ack as materialized (
  select distinct on (message_id, client_id) * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
    a(message_id, client_id, checksum, level) order by message_id, client_id),
found as materialized (
  select a.message_id, a.client_id, coalesce(a.level, 'processed') level, m.late, m.state, m.acked_by,
    m.message_id is not null known, m.checksum <> coalesce(a.checksum, m.checksum) mismatch
  from ack a left join lateral (
    select * from publisher.message_delivery m where m.message_id = a.message_id limit 1) m on true),
put as (
  insert into publisher.further_acknowledgment (message_id, client_id, late, level)
  select message_id, client_id, late, level from found
  where known and not mismatch and state = 'acknowledged' and client_id is distinct from acked_by
  on conflict do nothing returning message_id, client_id)
select f.message_id as "messageId", case
    when not f.known then 'unknown' when f.mismatch then 'checksum_mismatch'
    when p.message_id is not null then 'other_client' else 'duplicate' end as leftover
from found f left join put p using (message_id, client_id)`;

/** Says of each ack (per message and client) why settling left it over. */
export function classifyAcks(
  pool: Pool,
  acks: readonly AckRecord[],
): Promise<DbResult<{ readonly messageId: string; readonly leftover: AckLeftover }>> {
  return runBatch(pool, CLASSIFY, acks, [
    column(acks, (a) => a.messageId),
    column(acks, (a) => a.clientId),
    sparseColumn(acks, (a) => a.checksum),
    sparseColumn(acks, (a) => (a.level === "processed" ? null : a.level)),
  ]);
}
