/**
 * A destination answered: its parked messages become due again, spread over time, not in a burst. Two statements: the first
 * releases the destination (no claim parks for it from then on), the second resumes its messages in chunks.
 *
 * Invariants:
 *  UNPARK-1. No message stays parked behind a released destination. With a single statement a row that a claim parks at the same
 *            time would stay parked.
 *  UNPARK-2. The destination's row is deleted only when no message is parked in it, so that after a crash the next call of
 *            `freeReleased`, by any publisher, continues.
 *            The row of a destination that a birth has resumed stays for a minute, because it limits further births.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";
import { changeApart, type Shelf, sweepWhole } from "./sweep-apart.ts";

/** Messages of one chunk: some 100 ms. */
const CHUNK = 4_000;
/** Messages of a chunk that are due immediately. */
const AT_ONCE = 64;
/** A birth that comes later resumes the destination in any case. */
export const BIRTH_REMEMBERED_MS = 60_000;
const remembered = (row: string): string => `${row}.born_at + interval '${BIRTH_REMEMBERED_MS} milliseconds'`;

// UNPARK-1: a statement of its own.
const RELEASE = `update publisher.destination d set parked_at = null, last_answer_at = now(), misses = 0, probe_at = now(), born_at = null, births = 0
from (select md5(name) slot from unnest($1::text[]) name order by 1) n
where d.slot = n.slot and d.parked_at is not null returning d.destination`;

const WAITING = `with d as materialized (
  select slot, destination, covers_below from publisher.destination where parked_at is null and probe_at <= now()
  order by probe_at limit 200 for update skip locked),
share as materialized (select greatest(20, ${CHUNK} / greatest(count(*), 1)) most from d),
waiting as materialized (
  select d.slot, r.message_id from d cross join lateral (
    select m.message_id from publisher.message_delivery m where m.due_at is not null and m.parked
      and left(m.topic, 512) >= left(d.destination, 512) and left(m.topic, 512) <= publisher.covers_until(d.destination, d.covers_below)
      and publisher.covers(d.destination, d.covers_below, m.topic)
    order by left(m.topic, 512), m.seq limit (select most from share)) r)`;

const DUE_AGAIN = `case when m.lease_owner is not null and m.due_at > now() then m.due_at
      when w.n <= ${AT_ONCE} then now() else now() + random() * $1::float8 * interval '1 millisecond' end`;

const FREE = `${WAITING},
numbered as materialized (select message_id, row_number() over (order by message_id) n from waiting order by message_id),
freed as (
  update publisher.message_delivery m set parked = false, updated_at = now(),
    due_at = ${DUE_AGAIN}
  from numbered w where m.message_id = w.message_id and ${planForFewRows("w.message_id")} and m.parked returning m.message_id),
counts as materialized (select d.slot, count(w.message_id) n from d left join waiting w using (slot) group by d.slot),
-- UNPARK-2
empty as materialized (select c.slot from counts c, share where c.n < share.most),
gone as (
  delete from publisher.destination t using empty e
  where t.slot = e.slot and t.parked_at is null and coalesce(${remembered("t")} <= now(), true)),
kept as (
  update publisher.destination t set probe_at = ${remembered("t")} from empty e
  where t.slot = e.slot and t.parked_at is null and ${remembered("t")} > now())
select (select count(*) from freed)::int4 freed, (select count(*) from d) > (select count(*) from empty) or (select count(*) from d) = 200 more`;

const LIST = `${WAITING}
select message_id as "messageId" from waiting where message_id <> all ($1::uuid[])`;

const FREE_THESE = `with w as materialized (
  select id message_id, row_number() over (order by id) n from unnest($2::uuid[]) id where ${planForFewRows("id")} order by id)
update publisher.message_delivery m set parked = false, updated_at = now(), due_at = ${DUE_AGAIN}
from w where m.message_id = w.message_id and ${planForFewRows("w.message_id")} and m.parked and m.due_at is not null
returning m.message_id as "messageId"`;

/** Releases destinations. @returns those that were parked; call `freeReleased` until there is no more */
export async function unparkDestinations(
  pool: Pool,
  destinations: readonly string[],
): Promise<Outcome<readonly string[]>> {
  const answer = await pool.run<{ destination: string }>(RELEASE, [pgArray(destinations)]);
  return answer.ok ? { ok: true, value: answer.rows.map((row) => row.destination) } : answer;
}

/**
 * Resumes one chunk of the released destinations' messages.
 * @param smearMs they become due within this time
 * @returns `more`: call again
 */
export async function freeReleased(
  pool: Pool,
  smearMs: number,
): Promise<Outcome<{ readonly freed: number; readonly more: boolean }>> {
  const answer = await pool.run<{ freed: number; more: boolean }>(FREE, [smearMs]);
  return answer.ok ? { ok: true, value: answer.rows[0] ?? { freed: 0, more: false } } : answer;
}

/** As `freeReleased`, around rows that cannot be changed (SWEEP-1). Then the destination stays released, and the next call looks again. */
export async function freeAround(
  pool: Pool,
  shelf: Shelf,
  smearMs: number,
): Promise<Outcome<{ readonly freed: number; readonly more: boolean }>> {
  const whole = await sweepWhole(shelf, () => freeReleased(pool, smearMs));
  if (whole !== null) return whole;
  const waiting = await pool.run<{ messageId: string }>(LIST, [pgArray(shelf.passedOver())]);
  if (!waiting.ok) return waiting;
  const ids = waiting.rows.map(({ messageId }) => messageId);
  const freed = await changeApart(shelf, ids, (part) =>
    pool.run<{ messageId: string }>(FREE_THESE, [smearMs, pgArray(part)]),
  );
  return freed.ok ? { ok: true, value: { freed: freed.rows.length, more: freed.rows.length > 0 } } : freed;
}
