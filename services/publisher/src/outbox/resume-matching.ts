/**
 * After a birth of an acker: messages that wait for its filters become due, the first ones immediately, the others spread over
 * time. Two verbs, each for one page: parked destinations, and waiting rows. The caller walks from page to page, one statement
 * each, so that 200,000 waiting rows block no other statement.
 *
 * Invariants:
 *  RESUME-1. Only waiting rows become due earlier: not leased ones, and not those whose `deliver_at` is in the future.
 *  RESUME-3. PostgreSQL compares no filter. It receives texts with which topics must begin, and `TopicTree` decides in this
 *            process, so that no filter makes a statement slow or fail: with 1,000 filters as regular expressions also the
 *            births of other ackers failed.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import type { TopicTree } from "@acktor/shared/protocol/topic-tree";
import { BIRTH_GRACE_MS, isHeld } from "./held-rows.ts";
import { isLive } from "./live-rows.ts";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

/** Live rows, or parked destinations, read by one statement: 2 MB of topics at most, some milliseconds of matching. */
const PAGE = 2_000;
const AT_ONCE = 64;
/** Characters of a topic that are compared; of a longer one only what its first levels say. */
const COMPARED = 1_024;
/** Topics of one parked destination that are compared; more are not needed to decide on a birth. */
const SAMPLE = 20;
/** With more prefixes than these, every topic is read. */
const MOST_PREFIXES = 100;

export const FIRST_ID = "00000000-0000-0000-0000-000000000000";
export const FIRST_SLOT = "";

const PARKED = `with page as materialized (
  select slot, destination, covers_below from publisher.destination where parked_at is not null and slot > $1 order by slot limit ${PAGE})
select p.slot, left(p.destination, ${COMPARED + 1}) name, p.covers_below below, n.next
from (select max(slot) next from page having count(*) = ${PAGE}) n
right join page p on true`;

const PARKED_TOPICS = `select d.slot, left(r.topic, ${COMPARED + 1}) topic
from unnest($1::text[]) s join publisher.destination d on d.slot = s cross join lateral (
  select m.topic from publisher.message_delivery m where m.due_at is not null and m.parked
    and left(m.topic, 512) >= left(d.destination, 512) and left(m.topic, 512) <= publisher.covers_until(d.destination, true)
    and publisher.covers(d.destination, true, m.topic)
  order by left(m.topic, 512), m.seq limit ${SAMPLE}) r`;

const RELEASE = `update publisher.destination d set parked_at = null, misses = 0, probe_at = now()
from (select slot from unnest($1::text[]) slot order by 1) n
where d.slot = n.slot and d.parked_at is not null returning d.destination`;

// RESUME-1: `waits`. RESUME-3: `starts_with`.
const WAITING = `with seen as materialized (
  select message_id, topic, due_at > now() and lease_owner is null and not parked and coalesce(deliver_at <= now(), true) waits
  from publisher.message_delivery m where ${isLive("m")} and message_id > $1::uuid order by message_id limit ${PAGE}),
hit as materialized (
  select message_id, left(topic, ${COMPARED + 1}) topic from seen
  where waits and exists (select from unnest($2::text[]) p where starts_with(topic, p)))
select h.message_id id, h.topic, n.next
from (select (select max(message_id::text) from seen having count(*) = ${PAGE}) next) n left join hit h on true`;

// HELD-2
const MOVE = `with hit as materialized (
  select id, row_number() over (order by id) + $2::int8 n from unnest($1::uuid[]) id where ${planForFewRows("id")} order by id)
update publisher.message_delivery m set updated_at = now(),
  due_at = case when ${isHeld("m")} then least(m.due_at, now() + interval '${BIRTH_GRACE_MS} milliseconds')
    when h.n <= ${AT_ONCE} then now() else least(m.due_at, now() + random() * $3::float8 * interval '1 millisecond') end
from hit h where m.message_id = h.id and m.due_at > now() and m.lease_owner is null and not m.parked returning m.message_id`;

/** A birth: its filters, and the destinations that it may resume. */
export interface Birth {
  readonly tree: TopicTree;
  /** Every selected topic begins with one of these (`prefixesOf`). */
  readonly prefixes: readonly string[];
  /** False for a destination that stays parked. */
  releases(destination: string): boolean;
}

export interface Page {
  /** Where the next page begins; null after the last one. */
  readonly next: string | null;
}

/** Releases the parked destinations of one page that the filters reach. `freeReleased` resumes their messages. */
export async function releaseParked(
  pool: Pool,
  after: string,
  birth: Birth,
): Promise<Outcome<Page & { readonly destinations: readonly string[] }>> {
  type Row = { readonly slot: string; readonly name: string; readonly below: boolean; readonly next: string | null };
  const page = await pool.run<Row>(PARKED, [after]);
  if (!page.ok) return page;
  const next = page.rows[0]?.next ?? null;
  const wanted = page.rows.filter(({ name, below }) => {
    return (below ? reaches(birth.tree, name) : selects(birth.tree, name)) && birth.releases(name);
  });
  const slots = await slotsOf(pool, wanted, birth.tree);
  if (!slots.ok) return slots;
  if (slots.value.length === 0) return { ok: true, value: { next, destinations: [] } };
  const released = await pool.run<{ readonly destination: string }>(RELEASE, [pgArray(slots.value)]);
  if (!released.ok) return released;
  return { ok: true, value: { next, destinations: released.rows.map((row) => row.destination) } };
}

/**
 * Makes the waiting rows of one page due that the filters select.
 * @param moved rows that this birth has moved before; the first 64 are due at once
 * @param smearMs the others become due within this time
 */
export async function resumeWaiting(
  pool: Pool,
  after: string,
  birth: Birth,
  { moved, smearMs }: { readonly moved: number; readonly smearMs: number },
): Promise<Outcome<Page & { readonly rows: number }>> {
  type Row = { readonly id: string | null; readonly topic: string; readonly next: string | null };
  const page = await pool.run<Row>(WAITING, [after, pgArray(birth.prefixes)]);
  if (!page.ok) return page;
  const next = page.rows[0]?.next ?? null;
  const ids = page.rows.flatMap(({ id, topic }) => (id !== null && selects(birth.tree, topic) ? [id] : []));
  if (ids.length === 0) return { ok: true, value: { next, rows: 0 } };
  const done = await pool.run(MOVE, [pgArray(ids), moved, smearMs]);
  return done.ok ? { ok: true, value: { next, rows: done.rows.length } } : done;
}

/** The text before the first wildcard of each filter, without those that others cover. */
export function prefixesOf(filters: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const prefix of filters.map(beforeWildcard).sort()) {
    const last = kept.at(-1);
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept.length > MOST_PREFIXES ? [""] : kept;
}

function beforeWildcard(filter: string): string {
  const at = filter.search(/[+#]/);
  if (at < 0) return filter;
  // `a/#` selects `a`, too.
  return filter[at] === "#" ? filter.slice(0, Math.max(0, at - 1)) : filter.slice(0, at);
}

/** The slots to release: of a destination of several topics only when a message that is parked in it is selected. */
async function slotsOf(
  pool: Pool,
  wanted: readonly { readonly slot: string; readonly below: boolean }[],
  tree: TopicTree,
): Promise<Outcome<readonly string[]>> {
  const slots = wanted.flatMap(({ slot, below }) => (below ? [] : [slot]));
  const unsure = wanted.flatMap(({ slot, below }) => (below ? [slot] : []));
  for (let at = 0; at < unsure.length; at += PAGE / SAMPLE) {
    const some = unsure.slice(at, at + PAGE / SAMPLE);
    const topics = await pool.run<{ readonly slot: string; readonly topic: string }>(PARKED_TOPICS, [pgArray(some)]);
    if (!topics.ok) return topics;
    const selected = new Map<string, { readonly topics: number; readonly selected: boolean }>();
    for (const { slot, topic } of topics.rows) {
      const before = selected.get(slot) ?? { topics: 0, selected: false };
      selected.set(slot, { topics: before.topics + 1, selected: before.selected || selects(tree, topic) });
    }
    for (const [slot, found] of selected) if (found.selected || found.topics === SAMPLE) slots.push(slot);
  }
  return { ok: true, value: slots };
}

function selects(tree: TopicTree, topic: string): boolean {
  return topic.length > COMPARED ? reaches(tree, topic) : tree.matches(topic);
}

/** Of a topic that was cut off, the last level is incomplete and does not count. */
function reaches(tree: TopicTree, topic: string): boolean {
  if (topic.length <= COMPARED) return tree.reaches(topic);
  const end = topic.lastIndexOf("/");
  return end < 0 || tree.reaches(topic.slice(0, end));
}
