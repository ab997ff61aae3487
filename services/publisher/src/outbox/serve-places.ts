/**
 * After births of devices: what waits for their topics becomes due, found by index. Many births are one statement, which reads
 * the rows of their topics and no others. With a walk over all waiting rows for each birth, none of 200 devices had its
 * messages within five seconds (20,000 waiting, 20 births a second).
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import { COMPARED, canMove, type MemoryOfDestinations, resumeRows, type Selected } from "./resume-rows.ts";

/** Messages of one place that one call serves, and destinations below it. */
const MOST = 64;

/** A topic, or a topic and everything below it. */
export interface Place {
  readonly topic: string;
  readonly below: boolean;
}

export interface ServedPlace extends Place {
  /** More may wait there: serve it again. */
  readonly more: boolean;
  /** Rows of the complete call that became due. */
  readonly moved: number;
}

/** The place that a filter selects; null where it has a wildcard inside, or selects everything. */
export function placeOf(filter: string): Place | null {
  const at = filter.search(/[+#]/);
  if (at < 0) return { topic: filter, below: false };
  return at === filter.length - 1 && filter.endsWith("/#") ? { topic: filter.slice(0, -2), below: true } : null;
}

const IN_PLACE = (topic: string): string => `left(${topic}, 512) >= left(p.topic, 512)
  and left(${topic}, 512) <= publisher.covers_until(p.topic, p.below) and publisher.covers(p.topic, p.below, ${topic})`;

// RESUME-1: what cannot be moved takes no other row's place in the limit.
const FIND = `with p as materialized (
  select topic, below, n::int4 from unnest($1::text[], $2::boolean[]) with ordinality p(topic, below, n)),
hit as materialized (
  select p.n, r.message_id, publisher.destination_of(r.topic, o.destination_levels) destination
  from publisher.outbox o cross join p cross join lateral (
    select m.message_id, m.topic from publisher.message_delivery m
    where m.due_at is not null and (m.parked or m.attempts > 0)
      and ${canMove("m")}
      and ${IN_PLACE("m.topic")}
    order by left(m.topic, 512), m.seq limit ${MOST}) r)
select n, message_id id, md5(destination) slot, left(destination, ${COMPARED + 1}) name from hit
union all
select p.n, null, d.slot, left(d.destination, ${COMPARED + 1}) from p join publisher.destination d on d.slot = md5(p.topic)
where d.parked_at is not null and not d.covers_below and not p.below
union all
select p.n, null, r.slot, left(r.destination, ${COMPARED + 1}) from p cross join lateral (
  select d.slot, d.destination from publisher.destination d where d.parked_at is not null and ${IN_PLACE("d.destination")}
  order by left(d.destination, 512) limit ${MOST}) r where p.below`;

type Found = Selected & { readonly n: number };

/** Makes due what waits in these places, at most `MOST` messages of each. @returns each place */
export async function servePlaces(
  pool: Pool,
  places: readonly Place[],
  memory: MemoryOfDestinations,
): Promise<DbResult<ServedPlace>> {
  const topics = pgArray(places.map(({ topic }) => topic));
  const found = await pool.run<Found>(FIND, [topics, pgArray(places.map(({ below }) => below))]);
  if (!found.ok) return found;
  const done = await resumeRows(pool, found.rows, memory, { atOnce: found.rows.length, smearMs: 0 });
  if (!done.ok) return done;
  const moved = new Set(done.rows.map(({ messageId }) => messageId));
  const rows = places.map((place, at) => {
    const ids = found.rows.flatMap(({ n, id }) => (n === at + 1 && id !== null ? [id] : []));
    // Where nothing moves, serving it again would find the same rows.
    return { ...place, more: ids.length === MOST && ids.some((id) => moved.has(id)), moved: moved.size };
  });
  return { ok: true, rows };
}
