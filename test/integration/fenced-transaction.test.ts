/** Transactions for application code, on a real PostgreSQL. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createTransactionSlots, FENCE, type TransactionQuery } from "@acktor/shared/db/fenced-transaction";
import { createPool } from "@acktor/shared/db/pool";
import { rowsOf } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const CLOSING = { text: `select 1 where ${FENCE} = $1`, params: [] };

async function rig(t: TestContext, options: { size?: number; queueLimit?: number } = {}) {
  const { url } = await testDatabase(t);
  const pool = createPool({ url, size: 1, applicationName: "admin", deadlineMs: 20_000 });
  t.after(() => pool.stop());
  rowsOf(await pool.run("create table note (text text primary key)"));
  const slots = createTransactionSlots({ url, applicationName: "slots", size: 1, queueLimit: 1, ...options });
  t.after(() => slots.stop());
  const notes = async (): Promise<string[]> =>
    rowsOf(await pool.run<{ text: string }>("select text from note order by text")).map(({ text }) => text);
  const kill = async (): Promise<void> => {
    rowsOf(await pool.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'slots'"));
  };
  const { signal } = new AbortController();
  return { pool, slots, notes, kill, signal };
}

const write =
  (text: string) =>
  (query: TransactionQuery): Promise<unknown> =>
    query("insert into note values ($1)", [text]);

test("committed as a whole, or not at all: an error of the work or of PostgreSQL rolls back", async (t) => {
  const { slots, notes, signal } = await rig(t);
  assert.deepEqual(await slots.run(write("a"), CLOSING, signal), { kind: "committed" });
  const threw = await slots.run(
    async (query) => {
      await write("b")(query);
      throw new Error("no");
    },
    CLOSING,
    signal,
  );
  assert.deepEqual(threw, { kind: "failed", code: null, message: "no" });
  const twice = await slots.run(write("a"), CLOSING, signal);
  assert.equal(twice.kind === "failed" && twice.code, "23505");
  assert.deepEqual(await notes(), ["a"]);
});

test("TRANSACTION-2: a closing statement that does not find itself in the transaction commits nothing", async (t) => {
  const { slots, notes, signal } = await rig(t);
  const elsewhere = { text: `select 1 where ${FENCE} = $1 || 'x'`, params: [] };
  assert.deepEqual(await slots.run(write("a"), elsewhere, signal), { kind: "fenced" });
  assert.deepEqual(await notes(), []);
});

test("TRANSACTION-1, CONNECTION-2: after its backend was killed, no statement runs on another connection", async (t) => {
  const { slots, notes, kill, signal } = await rig(t);
  // A statement on a connection that never reopens may wait: the signal bounds the transaction.
  const outcome = await slots.run(
    async (query) => {
      await write("a")(query);
      await kill();
      await write("b")(query).catch(() => undefined);
      await write("c")(query).catch(() => undefined);
    },
    CLOSING,
    AbortSignal.timeout(2_000),
  );
  assert.equal(outcome.kind, "unavailable");
  assert.deepEqual(await notes(), []);
  assert.deepEqual(
    await slots.run(write("d"), CLOSING, signal),
    { kind: "committed" },
    "the slot has a new connection",
  );
});

test("TRANSACTION-3: a connection that is lost before the commit is `unavailable`, and `run` does not reject", async (t) => {
  const { slots, notes, kill, signal } = await rig(t);
  const outcome = await slots.run(
    async (query) => {
      await write("a")(query);
      await kill();
    },
    CLOSING,
    signal,
  );
  assert.equal(outcome.kind, "unavailable");
  assert.deepEqual(await notes(), []);
});

test("TRANSACTION-4: one runs, one waits, the next has no slot; a signal cuts off; a stop ends all", async (t) => {
  const { slots, notes, signal } = await rig(t);
  const cutting = new AbortController();
  let started = false;
  const hanging = slots.run(
    async (query) => {
      await write("a")(query);
      started = true;
      await query("select pg_sleep(60)");
    },
    CLOSING,
    cutting.signal,
  );
  await until(() => started, 10_000, "the first to run");
  const second = slots.run(write("b"), CLOSING, signal);
  assert.equal((await slots.run(write("c"), CLOSING, signal)).kind, "unavailable");
  cutting.abort();
  assert.equal((await hanging).kind, "unavailable");
  assert.deepEqual(await second, { kind: "committed" });
  assert.deepEqual(await notes(), ["b"]);
  slots.stop();
  slots.stop();
  assert.equal((await slots.run(write("d"), CLOSING, signal)).kind, "unavailable");
});

test("TRANSACTION-5: a query after the transaction's end is rejected", async (t) => {
  const { slots, notes, signal } = await rig(t);
  let kept: TransactionQuery | null = null;
  await slots.run(
    async (query) => {
      kept = query;
      await write("a")(query);
    },
    CLOSING,
    signal,
  );
  const late: TransactionQuery = kept ?? assert.fail();
  await assert.rejects(late("insert into note values ('late')"), /has ended/);
  assert.deepEqual(await notes(), ["a"]);
});
