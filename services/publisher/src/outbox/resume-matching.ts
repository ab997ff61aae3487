/**
 * A receiver was born: what waits for its filters becomes due, at once for a few, smeared for the rest (SPEC 3).
 *
 * Invariants:
 *  1. Only rows that wait are moved, and only forward in time: not leased ones, not those whose `deliver_at` is to come.
 *  2. In chunks along the ids, one statement each: 200,000 waiting rows block nobody.
 */
import { type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import { isLive } from "./live-rows.ts";
import type { Outcome } from "./outbox.ts";
import { few } from "./sql-arrays.ts";
import { freeReleased } from "./unpark-destinations.ts";

/** Live rows read by one statement. */
const CHUNK = 4_000;
const AT_ONCE = 64;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";

const RELEASE = `update publisher.destination d set parked_at = null, misses = 0
where d.parked_at is not null and (
  d.destination ~ any ($1::text[])
  or d.covers_below and exists (
    select from publisher.message_delivery m where m.due_at is not null and m.parked
      and left(m.topic, 512) >= left(d.destination, 512) and left(m.topic, 512) <= publisher.covers_until(d.destination, true)
      and publisher.covers(d.destination, true, m.topic) and m.topic ~ any ($1::text[])))
returning d.destination`;

const RESUME = `with seen as materialized (
  select message_id, topic, due_at > now() and lease_owner is null and not parked and coalesce(deliver_at <= now(), true) waits
  from publisher.message_delivery m where ${isLive("m")} and message_id > $2::uuid order by message_id limit ${CHUNK}),
hit as materialized (
  select message_id, row_number() over (order by message_id) + $4::int8 n from seen where waits and topic ~ any ($1::text[]) order by message_id),
moved as (
  update publisher.message_delivery m set updated_at = now(),
    due_at = case when h.n <= ${AT_ONCE} then now() else least(m.due_at, now() + random() * $3::float8 * interval '1 millisecond') end
  from hit h where m.message_id = h.message_id and ${few("h.message_id")} and m.due_at > now() and m.lease_owner is null returning m.message_id)
select (select count(*) from moved)::int4 moved,
  (select max(message_id::text) from seen having count(*) = ${CHUNK}) next`;

export interface ResumeOptions {
  /** POSIX regular expressions over topics (`filterToRegex`). */
  readonly regexes: readonly string[];
  /** The rows become due within this time; the first 64 at once. */
  readonly smearMs: number;
  /** Ends the walk between two chunks. */
  readonly signal?: AbortSignal;
}

export interface Resumed {
  readonly rows: number;
  /** Destinations that were parked. */
  readonly destinations: readonly string[];
}

/** Makes waiting rows due whose topic matches, and releases parked destinations that have such rows. */
export async function resumeMatching(pool: Pool, options: ResumeOptions): Promise<Outcome<Resumed>> {
  const { smearMs, signal } = options;
  if (options.regexes.length === 0) return { ok: true, value: { rows: 0, destinations: [] } };
  const regexes = pgArray(options.regexes);
  const released = await pool.run<{ destination: string }>(RELEASE, [regexes]);
  if (!released.ok) return released;
  let rows = 0;
  for (let more = released.rows.length > 0; more && !signal?.aborted; ) {
    const freed = await freeReleased(pool, smearMs);
    if (!freed.ok) return freed;
    rows += freed.value.freed;
    more = freed.value.more;
  }
  for (let cursor: string | null = FIRST_ID; cursor !== null && !signal?.aborted; ) {
    const chunk: DbResult<{ moved: number; next: string | null }> = await pool.run(RESUME, [
      regexes,
      cursor,
      smearMs,
      rows,
    ]);
    if (!chunk.ok) return chunk;
    rows += chunk.rows[0]?.moved ?? 0;
    cursor = chunk.rows[0]?.next ?? null;
  }
  return { ok: true, value: { rows, destinations: released.rows.map((row) => row.destination) } };
}
