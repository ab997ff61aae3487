/**
 * The judge compares what the database shows with the answers that the callers got.
 *
 * Invariants:
 *  JUDGE-1. A change of state that is not in the judge's own list, or that does not start at the previous state, is reported.
 *           The judge has its own list and reads the audit's triggers, so a fault of the outbox cannot hide itself.
 */
import { type Param, type Pool, pgArray } from "@acktor/shared/db/pool";

export type FinalState = "acknowledged" | "failed" | "expired";
export type State = "pending" | "sent" | FinalState;

/** docs/reference/database.md#states. sent → sent is a retry; it is no change of state, so no trigger on state sees it. */
const LEGAL_MOVES: readonly string[] = [
  "pending>sent",
  "pending>acknowledged",
  "sent>acknowledged",
  "pending>failed",
  "sent>failed",
  "pending>expired",
  "sent>expired",
  "failed>pending",
  "expired>pending",
  "failed>acknowledged",
  "expired>acknowledged",
];

export interface Expectation {
  /** Every id that was answered with 201 (or came from publisher.enqueue). */
  readonly accepted: readonly string[];
  /** Ids with an expected final state other than acknowledged. */
  readonly endsAs?: ReadonlyMap<string, FinalState>;
  /** Ids that an acker without our inbox acknowledged: the judge cannot see their effect. */
  readonly foreign?: ReadonlySet<string>;
}

/** What is wrong. Every list is empty when the services work. */
export interface Verdict {
  /** Accepted, but not in the expected final state. */
  readonly lost: readonly string[];
  readonly doubleEffects: readonly string[];
  readonly illegalMoves: readonly string[];
  /** Acknowledged by our acker without an effect in its inbox. */
  readonly ackedWithoutEffect: readonly string[];
  /** In the inbox, but no caller sent the message, or its content differs. */
  readonly strayEffects: readonly string[];
}

type Rows = <Row>(text: string, params?: readonly Param[]) => Promise<readonly Row[]>;

/** I5: messages whose first effect came before that of an earlier message of their key. Not for runs with replays or poison. */
export async function findOutOfOrder(pool: Pick<Pool, "run">): Promise<string[]> {
  const result = await pool.run<{ message_id: string; ordering_key: string }>(
    `with first as (select message_id, min(seq) effect from audit.effect group by 1),
     placed as (
       select m.message_id, m.ordering_key,
         f.effect < max(f.effect) over (partition by m.ordering_key order by m.seq rows unbounded preceding) early
       from publisher.message_delivery m join first f using (message_id) where m.ordering_key is not null)
     select message_id, ordering_key from placed where early`,
    [],
    { deadlineMs: 30_000 },
  );
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  return result.rows.map((row) => `${row.message_id} of ${row.ordering_key}`);
}

/** Judges once. It reads every row, so it is only for the numbers of messages that tests send. */
export async function judge(pool: Pick<Pool, "run">, expected: Expectation): Promise<Verdict> {
  const rows: Rows = async <Row>(text: string, params: readonly Param[] = []) => {
    const result = await pool.run<Row>(text, params, { deadlineMs: 30_000 });
    if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
    return result.rows;
  };
  return {
    lost: await findLost(rows, expected),
    doubleEffects: await findDoubles(rows),
    illegalMoves: await findIllegalMoves(rows),
    ackedWithoutEffect: await findUnproven(rows, expected),
    strayEffects: await findStrays(rows),
  };
}

async function findLost(rows: Rows, { accepted, endsAs }: Expectation): Promise<string[]> {
  const found = await rows<{ message_id: string; state: State; reason: string | null }>(
    "select message_id, state, reason from publisher.message_delivery where message_id = any($1::uuid[])",
    [pgArray(accepted)],
  );
  const ends = new Map(found.map((row) => [row.message_id, row]));
  return accepted.flatMap((id) => {
    const { state = "no row", reason = null } = ends.get(id) ?? {};
    if (state === (endsAs?.get(id) ?? "acknowledged")) return [];
    return [`${id} is ${state}${reason === null ? "" : ` (${reason})`}`];
  });
}

async function findDoubles(rows: Rows): Promise<string[]> {
  const found = await rows<{ message_id: string; times: number }>(`
    select message_id, count(*)::int4 times from audit.effect group by 1 having count(*) > 1
    union select message_id, count(*)::int4 from acker.inbox group by 1 having count(*) > 1`);
  return found.map((row) => `${row.message_id} ${row.times} times`);
}

/** Moves that are not in the list, and moves that do not start where the previous move ended. JUDGE-1 */
async function findIllegalMoves(rows: Rows): Promise<string[]> {
  const found = await rows<{ message_id: string; before: string | null; after: string; previous: string | null }>(`
    select message_id, before, after, lag(after) over (partition by message_id order by seq) previous from audit.move`);
  return found
    .filter(({ before, after, previous }) => {
      if (before !== previous) return true;
      return before === null ? after !== "pending" : !LEGAL_MOVES.includes(`${before}>${after}`);
    })
    .map(({ message_id, before, after, previous }) => `${message_id} ${before} > ${after} (was ${previous})`);
}

async function findUnproven(rows: Rows, { foreign }: Expectation): Promise<string[]> {
  const found = await rows<{ message_id: string }>(`
    select message_id from publisher.message_delivery m
    where state = 'acknowledged' and ack_level = 'processed'
      and not exists (select from audit.effect e where e.message_id = m.message_id)`);
  return found.map((row) => row.message_id).filter((id) => !foreign?.has(id));
}

async function findStrays(rows: Rows): Promise<string[]> {
  const found = await rows<{ message_id: string; why: string }>(`
    select i.message_id, case when m.message_id is null then 'was never sent' else 'has other content' end why
    from acker.inbox i left join publisher.message_delivery m using (message_id)
    where m.message_id is null or (m.payload, m.content_encoding, m.topic) is distinct from (i.content, i.content_encoding, i.topic)`);
  return found.map((row) => `${row.message_id} ${row.why}`);
}
