/**
 * After a birth of an acker whose filters have wildcards inside: one page of the waiting rows is read, and those that the
 * filters select become due. The caller walks from page to page, one statement each, so that 200,000 waiting rows block no
 * other statement.
 *
 * Invariants:
 *  RESUME-3. PostgreSQL compares no filter. It receives texts with which topics must begin, and `TopicTree` decides in this
 *            process, so that no filter makes a statement slow or fail: with 1,000 filters as regular expressions also the
 *            births of other ackers failed.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import type { TopicTree } from "@acktor/shared/protocol/topic-tree";
import { isLive } from "./live-rows.ts";
import type { Outcome } from "./outbox.ts";
import { COMPARED, type MemoryOfDestinations, resumeRows, type Selected } from "./resume-rows.ts";

/** Live rows read by one statement: 2 MB of topics at most, some milliseconds of matching. */
const PAGE = 2_000;
/** Rows of one walk that become due immediately. */
const AT_ONCE = 64;
/** With more prefixes than these, every topic is read. */
const MOST_PREFIXES = 100;

export const FIRST_ID = "00000000-0000-0000-0000-000000000000";

// RESUME-3: `starts_with`.
const READ = `with seen as materialized (
  select message_id, topic from publisher.message_delivery m where ${isLive("m")} and message_id > $1::uuid order by message_id limit ${PAGE}),
hit as materialized (
  select message_id, topic, publisher.destination_of(topic, o.destination_levels) destination from seen, publisher.outbox o
  where exists (select from unnest($2::text[]) p where starts_with(topic, p)))
select h.message_id id, left(h.topic, ${COMPARED + 1}) topic, md5(h.destination) slot, left(h.destination, ${COMPARED + 1}) name, n.next
from (select (select max(message_id::text) from seen having count(*) = ${PAGE}) next) n left join hit h on true`;

/** The filters of births. */
export interface Birth {
  readonly tree: TopicTree;
  /** Every selected topic begins with one of these (`prefixesOf`). */
  readonly prefixes: readonly string[];
}

export interface Page {
  /** Where the next page begins; null after the last one. */
  readonly next: string | null;
  /** That became due. */
  readonly rows: number;
}

type Row = Selected & { readonly topic: string; readonly next: string | null };

/**
 * Makes the waiting rows of one page due that the filters select.
 * @param moved rows that this walk has moved before; those after the first 64 become due within `smearMs`
 */
export async function walkWaiting(
  pool: Pool,
  after: string,
  { tree, prefixes }: Birth,
  memory: MemoryOfDestinations,
  { moved, smearMs }: { readonly moved: number; readonly smearMs: number },
): Promise<Outcome<Page>> {
  const page = await pool.run<Row>(READ, [after, pgArray(prefixes)]);
  if (!page.ok) return page;
  const next = page.rows[0]?.next ?? null;
  const selected = page.rows.filter(({ id, topic }) => id !== null && selects(tree, topic));
  const done = await resumeRows(pool, selected, memory, { atOnce: Math.max(0, AT_ONCE - moved), smearMs });
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

/** Of a topic that was cut off, the last level is incomplete and does not count. */
function selects(tree: TopicTree, topic: string): boolean {
  if (topic.length <= COMPARED) return tree.matches(topic);
  const end = topic.lastIndexOf("/");
  return end < 0 || tree.reaches(topic.slice(0, end));
}
