/**
 * Probes parked destinations: leases one message of each destination whose pause is over, across all replicas. The caller
 * says how many: of those that were not tried yet, and of the silent ones, those that have answered before first.
 *
 * Invariants:
 *  PROBE-1. The pause doubles with each probe, from 1 s to a minute, or to 15 minutes where no answer is known; replicas
 *           share it. It varies by a quarter, so that destinations parked together are not probed together.
 *  PROBE-2. The probed message stays parked: only an answer, or a birth, resumes the destination.
 *  PROBE-3. A destination without waiting messages is forgotten, but not before messages that were in flight when it was
 *           parked had the time to come due; its next message probes it. It is released, not deleted: a row may be parked
 *           while this statement runs (UNPARK-1, UNPARK-2).
 *  PROBE-4. A probe knows when the next one is due, and that it will be as late as this one: its copy lives until then, so that a
 *           device that wakes between two probes finds one.
 *  PROBE-5. As the claim (DUE-2), a probe sends only the oldest live row of a lane, whichever destinations the others wait for.
 *  PROBE-6. The first `IN_TURN` messages are probed in turn, `A_TURN` times each: one that the device never answers does not
 *           block the others, and one of which only the ack was lost is sent again soon.
 */
import { apart } from "@acktor/shared/db/apart";
import { type DbFailure, type DbResult, type Pool, pgArray } from "@acktor/shared/db/pool";
import type { BadRow } from "./bad-rows.ts";
import { type Except, isBehind, isBehindRetained } from "./claim-due.ts";
import { LEASED_COLUMNS, type LeasedRow, toLeased } from "./leased-row.ts";
import type { LeasedMessage, Outcome, ProbeLimits } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";
import { type Shelf, sweepWhole } from "./sweep-apart.ts";

const LONGEST_PAUSE_MS = 60_000;
/** Of a destination of which no answer is known. */
const LONGEST_UNHEARD_MS = 15 * 60_000;
/** PROBE-3: messages in flight when their destination was parked come due, and are parked, within their retry pause. */
const SETTLING_MS = 120_000;
/** PROBE-6 */
const IN_TURN = 16;
const A_TURN = 3;

const PARKED_ROWS = `publisher.message_delivery m where m.due_at is not null and m.parked
  and left(m.topic, 512) >= left(d.destination, 512) and left(m.topic, 512) <= publisher.covers_until(d.destination, d.covers_below)
  and publisher.covers(d.destination, d.covers_below, m.topic)`;

const CAN_GO =
  "m.due_at is not null and m.parked and (m.lease_owner is null or m.due_at <= now()) and (m.expires_at is null or m.expires_at > now())";
// PROBE-5
const isFirst = (except: Except): string =>
  `(m.lane is null or not ${isBehind("m", "o.parked", except)} and not ${isBehind("m", "not o.parked", except)}) and not ${isBehindRetained("m", except)}`;
const inOrder = (except: Except): string => `from ${PARKED_ROWS} and ${CAN_GO}${except("m")}`;

/**
 * The next message of a destination `d` that a probe would send: PROBE-6, and where none of these can go, the first that can.
 * Only then all rows are read.
 */
const HEAD_OF = (except: Except): string => `select m.message_id from (select coalesce(
    (select m.message_id from (
      select m.message_id, m.topic, m.seq, m.lane, m.retain, m.attempts ${inOrder(except)} order by left(m.topic, 512), m.seq limit ${IN_TURN}) m
      where ${isFirst(except)} order by m.attempts / ${A_TURN}, left(m.topic, 512), m.seq limit 1),
    (select m.message_id ${inOrder(except)} and ${isFirst(except)} order by left(m.topic, 512), m.seq limit 1)) id offset 0) h
  join publisher.message_delivery m on m.message_id = h.id where ${planForFewRows("h.id")} and ${CAN_GO}`;

const due = (which: string, limit: string): string => `select slot, destination, covers_below, pause_ms,
    -- PROBE-4
    pause_ms * (0.75 + random() / 2) next_ms, extract(epoch from now() - probe_at) * 1000 late_ms,
    case when last_answer_at is null then ${LONGEST_UNHEARD_MS} else ${LONGEST_PAUSE_MS} end longest_ms
  from publisher.destination where parked_at is not null and probe_at <= now() and ${which} order by probe_at limit ${limit}`;
const UNTRIED = "misses = 0";
const HEARD = "misses > 0 and last_answer_at is not null";
const UNHEARD = "misses > 0 and last_answer_at is null";
const REST = "greatest(0, $4::int8 - (select count(*) from heard))";

const statement = (only: string, except?: Except): string => `with untried as materialized (
  ${due(UNTRIED + only, "$3::int8")} for update skip locked),
heard as materialized (
  ${due(HEARD + only, "$4::int8")} for update skip locked),
unheard as materialized (
  ${due(UNHEARD + only, REST)} for update skip locked),
d as materialized (table untried union all table heard union all table unheard),
oldest as materialized (
  select d.destination, (d.next_ms + d.late_ms)::float8 next_probe_ms, r.message_id from d cross join lateral (
    ${HEAD_OF(except ?? (() => ""))} for update of m skip locked) r),
waits as materialized (select d.slot, exists (select from ${PARKED_ROWS}) waits from d),
-- PROBE-1
bumped as (
  update publisher.destination t set probe_at = now() + d.next_ms * interval '1 millisecond',
    misses = least(t.misses, 999999999) + 1, pause_ms = case when w.waits then least(d.pause_ms * 2, d.longest_ms) else d.pause_ms end
  from d join waits w using (slot) where t.slot = d.slot and ${planForFewRows("d.slot")} and (w.waits or t.parked_at > now() - interval '${SETTLING_MS} milliseconds')),
gone as (
  update publisher.destination t set parked_at = null, probe_at = now() from waits w
  where t.slot = w.slot and ${planForFewRows("w.slot")} and not w.waits and t.parked_at <= now() - interval '${SETTLING_MS} milliseconds' returning t.destination),
-- PROBE-2: the column parked does not change.
leased as (
  update publisher.message_delivery m
  set due_at = now() + $2::float8 * interval '1 millisecond', lease_owner = $1, lease_token = m.lease_token + 1, updated_at = now()
  from oldest o where m.message_id = o.message_id and ${planForFewRows("o.message_id")} returning o.destination, o.next_probe_ms, ${LEASED_COLUMNS})
select l.*, g.destination gone from leased l full join gone g on g.destination = l.destination`;

const PROBE = statement("");
const PROBE_THESE = statement(" and slot = any ($5::text[])", (row) => ` and ${row}.message_id <> all ($6::uuid[])`);
const DUE = `(select slot from (${due(UNTRIED, "$1::int8")}) u) union all
  (select slot from (${due(HEARD, "$2::int8")}) h) union all (select slot from (${due(UNHEARD, "$2::int8")}) n)`;
const HEADS = `select r.message_id as "messageId" from publisher.destination d cross join lateral (
  ${HEAD_OF((row) => ` and ${row}.message_id <> all ($2::uuid[])`)}) r where d.slot = $1`;

export interface ProbeOptions extends ProbeLimits {
  readonly instance: string;
  readonly leaseMs: number;
}

export interface Probes {
  readonly probes: readonly { readonly destination: string; readonly message: LeasedMessage }[];
  /** Destinations that are no longer parked, because no message waits for them. */
  readonly forgotten: readonly string[];
}

/** Leases one message of each destination that is due for a probe. */
export async function probeDestinations(pool: Pool, options: ProbeOptions): Promise<Outcome<Probes>> {
  return probesOf(await pool.run<Row>(PROBE, [options.instance, options.leaseMs, options.untried, options.silent]));
}

/** As `probeDestinations`, around messages that cannot be leased (SWEEP-1): the next probe sends the one after. */
export async function probeAround(pool: Pool, shelf: Shelf, options: ProbeOptions): Promise<Outcome<Probes>> {
  const whole = await sweepWhole(shelf, () => probeDestinations(pool, options));
  if (whole !== null) return whole;
  const { instance, leaseMs, untried, silent } = options;
  const due = await pool.run<{ slot: string }>(DUE, [untried, silent]);
  if (!due.ok) return due;
  const except = pgArray(shelf.passedOver());
  const bad: BadRow[] = [];
  const slots = due.rows.map(({ slot }) => slot);
  const stuck: { readonly slot: string; readonly failure: DbFailure }[] = [];
  const probed = await apart(
    slots,
    (part) => pool.run<Row>(PROBE_THESE, [instance, leaseMs, untried, silent, pgArray(part), except]),
    { add: (slot, failure) => void stuck.push({ slot, failure }) },
  );
  for (const { slot, failure } of stuck) {
    const heads = await pool.run<{ messageId: string }>(HEADS, [slot, except]);
    for (const { messageId } of heads.ok ? heads.rows : []) bad.push({ messageId, failure });
  }
  await shelf.put(bad, stuck.length < slots.length);
  return probesOf(probed);
}

type Row = LeasedRow & { readonly destination: string; readonly next_probe_ms: number; readonly gone: string | null };

function probesOf(answer: DbResult<Row>): Outcome<Probes> {
  if (!answer.ok) return answer;
  const probes = answer.rows.filter((row) => row.gone === null);
  return {
    ok: true,
    value: {
      probes: probes.map((row) => ({
        destination: row.destination,
        message: { ...toLeased(row), nextProbeMs: row.next_probe_ms },
      })),
      forgotten: answer.rows.flatMap((row) => (row.gone === null ? [] : [row.gone])),
    },
  };
}
