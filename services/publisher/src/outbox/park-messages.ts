/**
 * Parking: a destination that stays silent leaves the in-flight window, and its messages wait parked
 * (docs/explanation/reliability.md). The claim never leases a parked message; a probe's answer or a matching birth resumes the
 * destination. The claim also parks the rest of the destination's messages as they become due: this statement scans for none.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import { planForFewRows } from "./sql-arrays.ts";

const FIRST_PAUSE_MS = 1_000;

const PARK = `with parked as (
  insert into publisher.destination as d (destination, covers_below, parked_at, probe_at, pause_ms, misses)
  select $1::text, destination_levels > 0 and cardinality(string_to_array($1::text, '/')) = destination_levels,
    now(), now() + interval '${FIRST_PAUSE_MS} milliseconds', ${FIRST_PAUSE_MS}, 1 from publisher.outbox
  on conflict (slot) do update set
    parked_at = coalesce(d.parked_at, excluded.parked_at), misses = least(d.misses, 2147483646) + 1,
    probe_at = case when d.parked_at is null then excluded.probe_at else d.probe_at end,
    pause_ms = case when d.parked_at is null then excluded.pause_ms else d.pause_ms end),
id as materialized (select distinct id from unnest($2::uuid[]) id where ${planForFewRows("id")} order by id)
update publisher.message_delivery m set parked = true, lease_owner = null, updated_at = now()
from id where m.message_id = id.id and m.due_at is not null and m.lease_owner = $3
returning m.message_id as "messageId"`;

/**
 * Parks a destination, and with it messages that this instance has leased and not sent.
 * @param destination the first levels of a topic, as configured by `destinationLevels`
 */
export function parkMessages(
  pool: Pool,
  destination: string,
  messageIds: readonly string[],
  instance: string,
): Promise<DbResult<{ readonly messageId: string }>> {
  return pool.run(PARK, [destination, pgArray(messageIds), instance]);
}
