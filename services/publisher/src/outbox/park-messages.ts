/**
 * Parking: a destination that stays silent leaves the in-flight window, and its messages wait parked
 * (docs/explanation/reliability.md). The claim never leases a parked message; a probe's answer or a matching birth resumes the
 * destination. The claim also parks the rest of the destination's messages as they become due: this statement scans for none.
 *
 * A destination without room for its first message is parked *untried*: `misses` is 0, and its probe is due immediately.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { Parking } from "./outbox.ts";
import { column, planForFewRows } from "./sql-arrays.ts";

const FIRST_PAUSE_MS = 1_000;

// In the order of the slots, as all statements lock these rows.
const PARK = `with item as materialized (
  select * from unnest($1::text[], $2::uuid[], $3::boolean[], $4::float8[]) i(destination, id, tried, answered_ago_ms)),
parked as (
  insert into publisher.destination as d (destination, covers_below, parked_at, probe_at, pause_ms, misses, last_answer_at)
  select i.destination, o.destination_levels > 0 and cardinality(string_to_array(i.destination, '/')) = o.destination_levels,
    now(), now() + case when i.tried then ${FIRST_PAUSE_MS} else 0 end * interval '1 millisecond', ${FIRST_PAUSE_MS},
    case when i.tried then 1 else 0 end, now() - i.ago_ms * interval '1 millisecond'
  from (select destination, bool_or(tried) tried, min(answered_ago_ms) ago_ms from item group by destination) i, publisher.outbox o
  order by md5(i.destination)
  on conflict (slot) do update set
    parked_at = coalesce(d.parked_at, excluded.parked_at),
    last_answer_at = coalesce(excluded.last_answer_at, d.last_answer_at),
    misses = case when d.parked_at is null or d.misses = 0 then excluded.misses else d.misses end,
    probe_at = case when d.parked_at is null or d.misses = 0 then excluded.probe_at else d.probe_at end,
    pause_ms = case when d.parked_at is null or d.misses = 0 then excluded.pause_ms else d.pause_ms end),
id as materialized (select distinct id from item where ${planForFewRows("id")} order by id)
update publisher.message_delivery m set parked = true, lease_owner = null, updated_at = now()
from id where m.message_id = id.id and m.due_at is not null and m.lease_owner = $5
returning m.message_id as "messageId"`;

/** Parks destinations, and with them messages that this instance has leased and not sent. */
export function parkMessages(
  pool: Pool,
  parkings: readonly Parking[],
  instance: string,
): Promise<DbResult<{ readonly messageId: string }>> {
  return pool.run(PARK, [
    column(parkings, (p) => p.destination),
    column(parkings, (p) => p.messageId),
    column(parkings, (p) => p.tried),
    column(parkings, (p) => p.answeredAgoMs),
    instance,
  ]);
}
