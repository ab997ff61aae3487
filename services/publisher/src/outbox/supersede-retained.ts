/**
 * A newer retained message of a topic ends the older ones: later subscribers get the newest. One call reads at most SCAN rows of
 * an index of live retained rows; without such rows it costs nothing.
 *
 * Invariants:
 *  SUPERSEDE-1. Older rows that wait, or were sent and not acked, are marked failed with `superseded`. A leased row does not
 *               change, because its PUBLISH may be in flight: the claim holds the newer row back until then.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";
import { changeApart, type Shelf, sweepWhole } from "./sweep-apart.ts";

const SCAN = 2_000;

// One ordered scan; each row that has a newer one of its topic after it is superseded. The last row read has none in
// this block, so the next block starts with it.
const OLD = `seen as materialized (
  select md5(topic) slot, seq, topic, message_id, lease_owner is null or due_at <= now() idle from publisher.message_delivery
  where due_at is not null and retain and (md5(topic), seq) >= ($1::text, $2::int8)
  order by md5(topic), seq limit ${SCAN}),
old as materialized (
  select message_id, idle from (select message_id, idle, lead(seq) over (partition by slot, topic order by seq) newer from seen) s
  where newer is not null)`;
const END = `moved as (
  update publisher.message_delivery m
  set state = 'failed', reason = 'superseded', due_at = null, lease_owner = null, parked = false, updated_at = now()
  from held h where m.message_id = h.message_id and ${planForFewRows("h.message_id")} returning m.message_id)`;
const NEXT = `(select 1) one left join (select slot, seq from seen order by slot desc, seq desc limit 1) l on (select count(*) from seen) = ${SCAN}`;

// SUPERSEDE-1: `idle`, and the condition on the lease.
const SUPERSEDE = `with ${OLD},
held as materialized (
  select m.message_id from old o join publisher.message_delivery m using (message_id)
  where o.idle and ${planForFewRows("o.message_id")} and m.due_at is not null and (m.lease_owner is null or m.due_at <= now())
  order by m.message_id for update of m skip locked),
${END}
select (select coalesce(array_to_json(array_agg(message_id)), '[]')::text from moved) superseded, l.slot, l.seq::text seq
from ${NEXT}`;

const LIST = `with ${OLD}
select (select coalesce(array_to_json(array_agg(message_id)), '[]')::text from old where idle and message_id <> all ($3::uuid[])) superseded,
  l.slot, l.seq::text seq from ${NEXT}`;

const SUPERSEDE_THESE = `with held as materialized (
  select m.message_id from unnest($1::uuid[]) i(id) join publisher.message_delivery m on m.message_id = i.id
  where ${planForFewRows("i.id")} and m.due_at is not null and (m.lease_owner is null or m.due_at <= now())
  order by m.message_id for update of m skip locked),
${END}
select message_id as "messageId" from moved`;

/** Where the scan continues; null = from the start. */
export interface RetainedCursor {
  readonly slot: string;
  readonly seq: string;
}

export interface Superseded {
  readonly messageIds: readonly string[];
  /** Null: the scan is complete, and the next one starts over. */
  readonly next: RetainedCursor | null;
}

/** Ends the older retained messages of topics that have a newer one. */
export async function supersedeRetained(
  pool: Pool,
  cursor: RetainedCursor | null = null,
): Promise<Outcome<Superseded>> {
  return supersededBy(await pool.run<Answer>(SUPERSEDE, from(cursor)));
}

/** As `supersedeRetained`, around rows that cannot be changed (SWEEP-1). */
export async function supersedeAround(
  pool: Pool,
  shelf: Shelf,
  cursor: RetainedCursor | null,
): Promise<Outcome<Superseded>> {
  const whole = await sweepWhole(shelf, () => supersedeRetained(pool, cursor));
  if (whole !== null) return whole;
  const old = supersededBy(await pool.run<Answer>(LIST, [...from(cursor), pgArray(shelf.passedOver())]));
  if (!old.ok) return old;
  const moved = await changeApart(shelf, old.value.messageIds, (part) =>
    pool.run<{ messageId: string }>(SUPERSEDE_THESE, [pgArray(part)]),
  );
  if (!moved.ok) return moved;
  return { ok: true, value: { messageIds: moved.rows.map((row) => row.messageId), next: old.value.next } };
}

interface Answer {
  readonly superseded: string;
  readonly slot: string | null;
  readonly seq: string | null;
}

function from(cursor: RetainedCursor | null): string[] {
  return [cursor?.slot ?? "", cursor?.seq ?? "0"];
}

function supersededBy(answer: DbResult<Answer>): Outcome<Superseded> {
  if (!answer.ok) return answer;
  const [row] = answer.rows;
  const next = row?.slot == null || row.seq === null ? null : { slot: row.slot, seq: row.seq };
  return { ok: true, value: { messageIds: JSON.parse(row?.superseded ?? "[]"), next } };
}
