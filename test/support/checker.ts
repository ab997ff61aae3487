/**
 * The judge of end-to-end tests: what SQL says happened, beside what the tests were told.
 *
 * Invariants:
 *  1. It looks with means of its own: audit triggers that only tests install, and a list of legal moves that is written
 *     here a second time. The outbox cannot make itself look good.
 *  2. The ledger of effects has no unique constraint, or it could not show a double.
 *  3. Its tables are installed before the first message, so nothing happens unseen.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import { migrate } from "@acktor/shared/db/migrate";
import { type Param, type Pool, pgArray } from "@acktor/shared/db/pool";

export type FinalState = "acknowledged" | "failed" | "expired";
export type State = "pending" | "sent" | FinalState;

const ACKER_MIGRATIONS = fileURLToPath(new URL("../../services/acker/migrations", import.meta.url));

/** SPEC 5. sent → sent is a retry; it is no change of state, so no trigger on state sees it. */
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

/** For a database whose schemas are there. */
export const AUDIT = `
create schema audit;
create table audit.move (
  seq bigint generated always as identity, at timestamptz not null default clock_timestamp(),
  message_id uuid not null, before text, after text not null);
create table audit.effect (
  seq bigint generated always as identity, at timestamptz not null default clock_timestamp(), message_id uuid not null);
create function audit.note_birth() returns trigger language plpgsql as $$
begin insert into audit.move (message_id, after) values (new.message_id, new.state); return null; end $$;
create function audit.note_move() returns trigger language plpgsql as $$
begin insert into audit.move (message_id, before, after) values (new.message_id, old.state, new.state); return null; end $$;
create function audit.note_effect() returns trigger language plpgsql as $$
begin insert into audit.effect (message_id) values (new.message_id); return null; end $$;
create trigger audit_birth after insert on publisher.message_delivery for each row execute function audit.note_birth();
create trigger audit_move after update on publisher.message_delivery
  for each row when (old.state is distinct from new.state) execute function audit.note_move();
create trigger audit_effect after insert on acker.inbox
  for each row when (new.status = 'processed') execute function audit.note_effect();
create trigger audit_late_effect after update on acker.inbox
  for each row when (new.status = 'processed' and old.status is distinct from 'processed') execute function audit.note_effect();
`;

/** Makes both schemas and puts the audit on them; before any service has started. */
export async function installAudit(pool: Pool): Promise<void> {
  for (const made of [
    await migrateOutbox(pool),
    await migrate(pool, { schema: "acker", directory: ACKER_MIGRATIONS }),
  ]) {
    if (!made.ok) throw new Error(`${made.failure.kind}: ${made.failure.message}`);
  }
  const installed = await pool.run(AUDIT, [], { simple: true });
  if (!installed.ok) throw new Error(`audit: ${installed.failure.message}`);
}

export interface Expectation {
  /** Every id that was answered with 201 (or came from publisher.enqueue). */
  readonly accepted: readonly string[];
  /** Ids that shall end otherwise than acknowledged. */
  readonly endsAs?: ReadonlyMap<string, FinalState>;
  /** Ids that somebody without an inbox of ours acknowledged: their effect is not ours to see. */
  readonly foreign?: ReadonlySet<string>;
}

/** What is wrong; every list is empty in a run without a fault. */
export interface Verdict {
  /** Accepted and not ended as expected. */
  readonly lost: readonly string[];
  readonly doubleEffects: readonly string[];
  readonly illegalMoves: readonly string[];
  /** Acknowledged by an acker of ours that never had the message. */
  readonly ackedWithoutEffect: readonly string[];
  /** In the inbox, and nobody sent it, or with other content than was sent. */
  readonly strayEffects: readonly string[];
}

type Rows = <Row>(text: string, params?: readonly Param[]) => Promise<readonly Row[]>;

/** Looks once; asks for every row, so it is for tests' amounts of messages. */
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

/** Fails unless nothing was lost, doubled or moved against the rules. */
export async function assertDelivered(pool: Pick<Pool, "run">, expected: Expectation): Promise<void> {
  const clean: Verdict = { lost: [], doubleEffects: [], illegalMoves: [], ackedWithoutEffect: [], strayEffects: [] };
  assert.deepEqual(await judge(pool, expected), clean);
}

async function findLost(rows: Rows, { accepted, endsAs }: Expectation): Promise<string[]> {
  const found = await rows<{ message_id: string; state: State }>(
    "select message_id, state from publisher.message_delivery where message_id = any($1::uuid[])",
    [pgArray(accepted)],
  );
  const states = new Map(found.map((row) => [row.message_id, row.state]));
  return accepted.flatMap((id) => {
    const state = states.get(id) ?? "no row";
    return state === (endsAs?.get(id) ?? "acknowledged") ? [] : [`${id} is ${state}`];
  });
}

async function findDoubles(rows: Rows): Promise<string[]> {
  const found = await rows<{ message_id: string; times: number }>(`
    select message_id, count(*)::int4 times from audit.effect group by 1 having count(*) > 1
    union select message_id, count(*)::int4 from acker.inbox group by 1 having count(*) > 1`);
  return found.map((row) => `${row.message_id} ${row.times} times`);
}

/** Moves that SPEC 5 does not have, and moves that do not begin where the one before ended. */
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
