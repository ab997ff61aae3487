/**
 * Resumes messages that wait for a receiver that was born: their destinations are released, and they become due. Two
 * statements: with a single one a row that a claim parks at the same time would stay parked behind a released destination.
 *
 * Invariants:
 *  RESUME-1. Only waiting rows become due earlier: not leased ones, not those whose `deliver_at` is in the future, and not
 *            those that a receiver rejected: it said when it wants them again.
 *  RESUME-2. A destination that was resumed and has not answered ignores births for 2 s, then 4 s, up to a minute, and its rows
 *            stay parked: forged births cause only a few messages a minute to a silent destination, however many
 *            destinations there are. Probes find it meanwhile.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import { BIRTH_GRACE_MS, isHeld } from "./held-rows.ts";
import { planForFewRows } from "./sql-arrays.ts";
import { BIRTH_REMEMBERED_MS } from "./unpark-destinations.ts";

const FIRST_IGNORED_MS = 2_000;
/** Doublings until births are ignored for as long as they are remembered. */
const MOST_BIRTHS = 6;
/** Characters of a topic that are compared; of a longer one only what its first levels say. */
export const COMPARED = 1_024;

/** RESUME-1, of a row that is live. */
export const canMove = (row: string): string => `(${row}.parked or ${row}.due_at > now() and ${row}.lease_owner is null
  and coalesce(${row}.deliver_at <= now(), true) and ${row}.last_outcome is distinct from 'rejected')`;

/** A message that a birth selects, or (without an id) a parked destination. */
export interface Selected {
  readonly id: string | null;
  readonly slot: string;
  /** The destination's name, cut off after `COMPARED` + 1 characters. */
  readonly name: string;
}

/** What the dispatcher knows of destinations in memory. */
export interface MemoryOfDestinations {
  /** True for one that is parked, and that births resume later. */
  ignoresBirths(destination: string): boolean;
  /** A birth has released these destinations. */
  resume(destinations: readonly string[]): void;
}

/** When the rows become due that a birth resumes. */
export interface Pace {
  /** The first so many become due immediately. */
  readonly atOnce: number;
  /** The others within this time. */
  readonly smearMs: number;
}

// RESUME-2
const RELEASE = `update publisher.destination d set parked_at = null, misses = 0, probe_at = now(), born_at = now(),
  births = case when d.last_answer_at > d.born_at then 1 else least(d.births, ${MOST_BIRTHS}) + 1 end
from (select slot from unnest($1::text[]) slot order by 1) n
where d.slot = n.slot and d.parked_at is not null and (d.births = 0 or d.last_answer_at > d.born_at
  or d.born_at <= now() - least(${BIRTH_REMEMBERED_MS}, ${FIRST_IGNORED_MS} * 2 ^ (least(d.births, ${MOST_BIRTHS}) - 1)) * interval '1 millisecond')
returning d.destination`;

// RESUME-1, HELD-2
const MOVE = `with hit as materialized (
  select id, slot, row_number() over (order by n) n from unnest($1::uuid[], $2::text[]) with ordinality i(id, slot, n)
  where ${planForFewRows("id")} order by id)
update publisher.message_delivery m set parked = false, updated_at = now(), due_at = case
  when m.lease_owner is not null and m.due_at > now() then m.due_at
  when ${isHeld("m")} then least(case when not m.parked then m.due_at end, now() + interval '${BIRTH_GRACE_MS} milliseconds')
  when h.n <= $3 then now()
  else least(case when not m.parked then m.due_at end, now() + random() * $4::float8 * interval '1 millisecond') end
from hit h where m.message_id = h.id and m.due_at is not null
  and ${canMove("m")}
  and not exists (select from publisher.destination d where d.slot = h.slot and d.parked_at is not null)
returning m.message_id as "messageId"`;

/** Releases the destinations of what was selected, and makes the messages due. @returns those that became due */
export async function resumeRows(
  pool: Pool,
  selected: readonly Selected[],
  memory: MemoryOfDestinations,
  { atOnce, smearMs }: Pace,
): Promise<DbResult<{ readonly messageId: string }>> {
  const slots = new Set(selected.flatMap(({ slot, name }) => (memory.ignoresBirths(name) ? [] : [slot])));
  if (slots.size > 0) {
    const released = await pool.run<{ destination: string }>(RELEASE, [pgArray([...slots])]);
    if (!released.ok) return released;
    // Before the messages are due: a claim would give them back to a destination that is parked in memory.
    memory.resume(released.rows.map(({ destination }) => destination));
  }
  const rows = selected.flatMap(({ id, slot }) => (id === null ? [] : [{ id, slot }]));
  if (rows.length === 0) return { ok: true, rows: [] };
  const ids = pgArray(rows.map(({ id }) => id));
  return pool.run(MOVE, [ids, pgArray(rows.map(({ slot }) => slot)), atOnce, smearMs]);
}
