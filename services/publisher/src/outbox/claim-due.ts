/**
 * The claim: leases due rows to this publisher. Retries, keyed and retained rows, orphans of a dead owner, rows written by SQL.
 *
 * Invariants:
 *  DUE-1. A row has one owner at a time; each claim raises its token, which fences the previous owner.
 *  DUE-2. Of a lane (ordering key, retained topic) only the oldest live row is leased, and a retained row only when no older
 *         retained one of its topic is live.
 *  DUE-3. A blocked lane hides no other lane: the walk collects the heads first, the limit applies afterwards.
 *  DUE-4. Rows of a parked destination are parked too, not leased, except for what the broker keeps for receivers that are
 *         absent: the first PUBLISH of a retained message (until then later subscribers get the previous one), and messages
 *         with a hold, which wait in a session.
 *         A destination that was parked untried is no reason: its newest message may find room now.
 *  DUE-5. Parked rows cost nothing: no scan reads them, and of a lane with a parked row only a look-up finds it.
 *  DUE-6. Rows of absent destinations that stand first do not delay the others: then a part of the claim is the newest rows.
 *
 * Finished rows cost nothing: every scan is on a partial index of live rows, and `lowWater` skips the dead entries that a
 * long-running reader keeps in it.
 *
 * The walk reads lanes in blocks: one ordered scan of BLOCK rows gives up to BLOCK heads, and the next block starts
 * after the last lane seen, so a lane of 100,000 rows costs one block.
 */
import type { Param, Pool } from "@acktor/shared/db/pool";
import { isForSession } from "./held-rows.ts";
import { LEASED_COLUMNS, type LeasedRow, toLeased } from "./leased-row.ts";
import type { Claimed, ClaimOptions, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const BLOCK = 64;
const MAX_STEPS = 32;

/** Rows that are passed over, as a condition on `row`; the normal claim has none. */
export type Except = (row: string) => string;

/** DUE-4 */
export const passesParking = (row: string): string => `(${row}.retain and ${row}.attempts = 0 or ${isForSession(row)})`;
/** Whether an older row of its lane is live; there is one index of parked rows and one of the others. @param which `o.parked`, or `not o.parked` */
export const isBehind = (
  row: string,
  which: string,
  except: Except = () => "",
): string => `exists (select from publisher.message_delivery o
  where o.due_at is not null and ${which} and o.lane is not null and o.lane = ${row}.lane and o.seq < ${row}.seq${except("o")})`;
/** DUE-2, DUE-5: whether an older row of its lane is parked. The walk sees only rows that are not. */
export const isBehindParked = (row: string): string => isBehind(row, "o.parked");
/** DUE-2: whether an older retained row of its topic is live. */
export const isBehindRetained = (row: string, except: Except = () => ""): string => `(${row}.retain and exists (
  select from publisher.message_delivery o
  where o.due_at is not null and o.retain and md5(o.topic) = md5(${row}.topic) and o.seq < ${row}.seq${except("o")}))`;

/** DUE-2, DUE-3: the walk over lanes, `walk (step, last, heads, done)`. @param cursor where it begins: text of a parameter */
export const walkOf = (cursor: string, except: Except = () => ""): string => `walk as (
  select 0 step, ${cursor}::text collate "C" last, null::uuid[] heads, false done
  union all
  select w.step + 1, coalesce(b.last, ''), b.heads, b.last is null
  from walk w cross join lateral (
    select max(h.lane) last, array_agg(h.message_id) filter (where h.due_at <= now()) heads from (
      select distinct on (r.lane) r.* from (
        select m.lane, m.seq, m.message_id, m.due_at from publisher.message_delivery m
        where m.due_at is not null and m.lane is not null and not m.parked and m.lane > w.last${except("m")} order by m.lane, m.seq limit ${BLOCK}) r
      order by r.lane, r.seq) h) b
  where w.step < ${MAX_STEPS} and not w.done)`;

export const NEXT_LANE =
  "(select case when bool_or(done) then '' else (array_agg(last order by step desc))[1] end next_lane from walk)";

export const ANY_PARKED = "(select exists (select from publisher.destination where parked_at is not null))";

/**
 * From `pick (message_id, due_at, topic, for_later, blocked)` to `leased` (DUE-1) and `set_aside` (DUE-4). $2 = milliseconds,
 * $3 = instance.
 */
export const LEASE_PICKED = `silent as materialized (
  select p.message_id from pick p join publisher.destination d
    on d.slot = md5(publisher.destination_of(p.topic, (select destination_levels from publisher.outbox)))
  where ${ANY_PARKED} and d.parked_at is not null and d.misses > 0 and not p.for_later
  for share of d skip locked),
set_aside as (
  update publisher.message_delivery m set parked = true, lease_owner = null, updated_at = now()
  from silent s where m.message_id = s.message_id and ${planForFewRows("s.message_id")} returning m.message_id),
leased as (
  update publisher.message_delivery m
  set due_at = now() + $2::float8 * interval '1 millisecond', lease_owner = $3, lease_token = m.lease_token + 1, updated_at = now()
  from (select * from pick where not blocked and message_id not in (select message_id from silent)) p
  where m.message_id = p.message_id and ${planForFewRows("p.message_id")}
  returning p.due_at was_due, ${LEASED_COLUMNS})`;

/** Time and snapshot of a statement: what `LowWater` needs. */
export const HORIZON =
  "now() at, pg_snapshot_xmin(pg_current_snapshot())::text xmin, pg_snapshot_xmax(pg_current_snapshot())::text xmax";

const PLAIN = `select m.message_id, m.due_at, m.topic, ${isForSession("m")} for_later, false blocked from publisher.message_delivery m
  where m.due_at is not null and m.lane is null and not m.parked
    and m.due_at <= now() and m.due_at >= coalesce($5::text::timestamptz, '-infinity') and (m.expires_at is null or m.expires_at > now())`;

const CLAIM = `with recursive ${walkOf("$4")},
keyed as materialized (
  select m.message_id, m.due_at, m.topic, ${passesParking("m")} for_later, ${isBehindParked("m")} blocked
  from (select unnest(heads) message_id from walk) h join publisher.message_delivery m using (message_id)
  where ${planForFewRows("h.message_id")} and m.due_at <= now() and not m.parked and (m.expires_at is null or m.expires_at > now())
    and not ${isBehindRetained("m")}
  order by blocked, m.due_at limit $1 for update of m skip locked),
plain as materialized (
  ${PLAIN} order by m.due_at limit $1::int8 - $6::int8 for update skip locked),
-- DUE-6
newest as materialized (
  ${PLAIN} and m.message_id not in (select message_id from plain) order by m.due_at desc limit $6::int8 for update skip locked),
-- Where the newest rows are few, the rest is the oldest: a claim of fewer rows than its limit has taken all that are due.
pick as materialized (
  select message_id, due_at, topic, for_later, blocked from (
    select u.*, (row_number() over (order by blocked, due_at) > $1::int8 - $6::int8)::int4 * 2 turn from (table keyed union all table plain) u
    union all select n.*, 1 from newest n) p
  order by turn, blocked, due_at limit $1),
${LEASE_PICKED}
select l.*, w.next_lane, f.parked, ${ANY_PARKED} any_parked, ${HORIZON}
from ${NEXT_LANE} w
cross join (select count(*)::int4 parked from set_aside) f
left join leased l on true order by l.was_due`;

interface ClaimRow extends LeasedRow {
  readonly message_id: string;
  readonly was_due: string;
  readonly next_lane: string;
  readonly parked: number;
  readonly any_parked: boolean;
  readonly at: string;
  readonly xmin: string;
  readonly xmax: string;
}

/** Leases up to `options.limit` due rows, oldest due first. */
export function claimDue(pool: Pool, options: ClaimOptions): Promise<Outcome<Claimed>> {
  const { limit, leaseMs, instance, laneCursor, lowWater, newest } = options;
  return runClaim(pool, CLAIM, [limit, leaseMs, instance, laneCursor, lowWater, newest]);
}

/** Runs a statement that ends as the claim does. */
export async function runClaim(pool: Pool, text: string, params: readonly Param[]): Promise<Outcome<Claimed>> {
  const answer = await pool.run<ClaimRow>(text, params);
  if (!answer.ok) return answer;
  const [first] = answer.rows;
  const rows = answer.rows.filter((row) => row.message_id !== null);
  return {
    ok: true,
    value: {
      messages: rows.map(toLeased),
      nextLaneCursor: first?.next_lane ?? "",
      oldestDue: rows.find((row) => row.ordering_key === null && !row.retain)?.was_due ?? null,
      parked: first?.parked ?? 0,
      anyParked: first?.any_parked ?? false,
      horizon: { at: first?.at ?? "", xmin: first?.xmin ?? "0", xmax: first?.xmax ?? "0" },
    },
  };
}
