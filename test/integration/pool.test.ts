/** The pool on a real PostgreSQL: every statement ends in time, with rows or a classified failure. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createPool, type DbFailure, type DbResult, type Param, type Pool } from "@acktor/shared/db/pool";
import { rowsOf } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { testTcpProxy } from "../support/proxies.ts";
import { until } from "../support/until.ts";

const APPLICATION = "pool under test";

interface Rig {
  readonly url: string;
  readonly pool: Pool;
  /** One value, read over another pool's connection. */
  ask<T>(text: string, params?: readonly Param[]): Promise<T>;
  /** Backends of the pool under test. */
  backends(): Promise<number>;
}

async function rig(
  t: TestContext,
  options: { size?: number; deadlineMs?: number; queueLimit?: number; url?: string } = {},
): Promise<Rig> {
  const { url } = await testDatabase(t);
  const admin = createPool({ url, size: 1, applicationName: "admin", deadlineMs: 20_000 });
  t.after(() => admin.stop());
  const pool = createPool({ url, applicationName: APPLICATION, size: 2, deadlineMs: 10_000, ...options });
  t.after(() => pool.stop());
  const ask = async <T>(text: string, params: readonly Param[] = []): Promise<T> => {
    const [row] = rowsOf(await admin.run<{ value: T }>(text, params));
    if (row === undefined) throw new Error(`no row: ${text}`);
    return row.value;
  };
  const backends = (): Promise<number> =>
    ask("select count(*)::int4 as value from pg_stat_activity where application_name = $1", [APPLICATION]);
  return { url, pool, ask, backends };
}

function failureOf(result: DbResult<unknown>): DbFailure {
  if (result.ok) throw new Error("was expected to fail");
  return result.failure;
}

const elapsed = (since: number): number => performance.now() - since;

// POOL-1
test("a statement that misses its deadline ends in time, its connection is destroyed, and the pool continues", async (t) => {
  const { pool, backends } = await rig(t, { size: 1 });
  const before = performance.now();
  const failure = failureOf(await pool.run("select pg_sleep(30)", [], { deadlineMs: 300 }));
  assert.ok(elapsed(before) < 15_000, `${elapsed(before)} ms`);
  assert.deepEqual([failure.kind, failure.code, failure.maybeCommitted], ["unavailable", "DEADLINE", true]);
  assert.deepEqual(rowsOf(await pool.run("select 1 as one")), [{ one: 1 }]);
  // The server notices the closed connection only when the sleep is over or it writes: the pool does not wait for that.
  assert.ok((await backends()) <= 2);
});

// POOL-1
test("a statement that waits for a connection until its deadline was never sent", async (t) => {
  const { pool, ask } = await rig(t, { size: 1 });
  await ask("select 1 as value");
  const first = pool.run("select pg_sleep(1)");
  const failure = failureOf(await pool.run("create table never_made()", [], { deadlineMs: 100 }));
  assert.deepEqual([failure.kind, failure.code, failure.maybeCommitted], ["unavailable", "DEADLINE", false]);
  assert.equal(pool.waiting(), 0);
  assert.equal((await first).ok, true);
  assert.equal(await ask("select to_regclass('never_made') is null as value"), true);
});

// POOL-1, CONNECTION-1
test("a deadline that passes while a connection is being made leaves no connection behind", async (t) => {
  const { pool, backends } = await rig(t, { size: 2 });
  for (let i = 0; i < 60; i++) {
    const result = await pool.run("select 1", [], { deadlineMs: 1 + (i % 6) });
    if (!result.ok) assert.equal(result.failure.code, "DEADLINE");
  }
  await pool.stop();
  await until(async () => (await backends()) === 0, 5_000, "the pool's backends to go");
});

// POOL-2
test("the place of a statement that begins is free for the caller that its predecessor answers", async (t) => {
  const { pool } = await rig(t, { size: 1, queueLimit: 1 });
  const first = pool.run("select pg_sleep(0.1)");
  const second = pool.run("select 2");
  assert.equal(pool.waiting(), 1);
  const third = first.then(() => pool.run("select 3"));
  assert.deepEqual([(await second).ok, (await third).ok], [true, true]);
});

// POOL-2
test("no more statements wait than the limit; the next is busy immediately", async (t) => {
  const { pool } = await rig(t, { size: 1, queueLimit: 3 });
  const running = [pool.run("select pg_sleep(0.3)"), ...[1, 2, 3].map((n) => pool.run("select $1::int4 as n", [n]))];
  assert.equal(pool.waiting(), 3);
  const failure = failureOf(await pool.run("select 1"));
  assert.equal(pool.waiting(), 3, "it was refused while the others waited");
  assert.deepEqual([failure.kind, failure.code, failure.maybeCommitted], ["busy", "QUEUE_FULL", false]);
  const results = await Promise.all(running);
  assert.deepEqual(
    results.slice(1).map((r) => rowsOf(r)),
    [[{ n: 1 }], [{ n: 2 }], [{ n: 3 }]],
  );
  assert.equal((await pool.run("select 1")).ok, true);
});

// POOL-3
test("a backend that is killed: unavailable, perhaps committed; the next statement works", async (t) => {
  const { pool, ask } = await rig(t, { size: 1 });
  for (let round = 0; round < 5; round++) {
    const sleeping = pool.run("select pg_sleep(20)");
    await until(
      () =>
        ask<boolean>(
          `select coalesce(bool_or(pg_terminate_backend(pid)), false) as value from pg_stat_activity
           where application_name = $1 and query like '%pg_sleep%' and state = 'active'`,
          [APPLICATION],
        ),
      5_000,
    );
    const failure = failureOf(await sleeping);
    assert.deepEqual([failure.kind, failure.maybeCommitted], ["unavailable", true]);
    assert.equal((await pool.run("select 1")).ok, true);
  }
});

test("a backend that is killed while nothing runs costs at most one failure", async (t) => {
  const { pool, ask } = await rig(t, { size: 1 });
  await pool.run("select 1");
  await ask("select bool_and(pg_terminate_backend(pid)) as value from pg_stat_activity where application_name = $1", [
    APPLICATION,
  ]);
  const results = [await pool.run("select 1"), await pool.run("select 1")];
  assert.equal(results[1]?.ok, true);
});

test("a half-open server: every statement ends by its deadline, and a restored route is used immediately", async (t) => {
  const { url, pool: direct } = await rig(t);
  await direct.run("select 1");
  const target = new URL(url);
  const proxy = await testTcpProxy(t, Number(target.port));
  target.port = String(proxy.port);
  const pool = createPool({ url: target.href, size: 2, applicationName: "through proxy", deadlineMs: 1_000 });
  t.after(() => pool.stop());
  assert.equal((await pool.run("select 1")).ok, true);
  proxy.freeze();
  const before = performance.now();
  const results = await Promise.all(Array.from({ length: 8 }, () => pool.run("select 1")));
  // One after the other on two connections they would take four seconds.
  assert.ok(elapsed(before) < 3_500, `${elapsed(before)} ms`);
  for (const result of results) assert.equal(failureOf(result).kind, "unavailable");
  proxy.thaw();
  assert.equal((await pool.run("select 1")).ok, true);
});

// POOL-3
test("a missing server is unavailable immediately", async (t) => {
  const { url } = await rig(t);
  const gone = new URL(url);
  gone.port = "1";
  const pool = createPool({ url: gone.href, applicationName: "x" });
  t.after(() => pool.stop());
  const before = performance.now();
  const failure = failureOf(await pool.run("select 1"));
  assert.deepEqual([failure.kind, failure.code], ["unavailable", "ECONNREFUSED"]);
  assert.ok(elapsed(before) < 4_000);
});

const REFUSED: readonly (readonly [statement: string, code: string, constraint: string | null])[] = [
  ["select 1 / 0", "22012", null],
  ["select nothing from nowhere", "42P01", null],
  ["insert into one values (1), (1)", "23505", "one_pkey"],
  ["selec 1", "42601", null],
];
test("a statement that PostgreSQL refuses is rejected with its SQLSTATE, and its connection stays", async (t) => {
  const { pool, backends } = await rig(t, { size: 1 });
  await pool.run("create table one (id int primary key)");
  for (const [statement, code, constraint] of REFUSED) {
    const failure = failureOf(await pool.run(statement));
    assert.deepEqual(
      [failure.kind, failure.code, failure.constraint, failure.maybeCommitted],
      ["rejected", code, constraint, false],
    );
  }
  const pids = [await pool.run("select pg_backend_pid()"), await pool.run("select pg_backend_pid()")].map(rowsOf);
  assert.deepEqual(pids[0], pids[1]);
  assert.equal(await backends(), 1);
});

for (const state of ["53100", "53200", "53300", "58030", "57P01", "25006"]) {
  test(`SQLSTATE ${state} is temporary: unavailable, not rejected`, async (t) => {
    const { pool } = await rig(t, { size: 1 });
    const failure = failureOf(
      await pool.run(`do $$ begin raise sqlstate '${state}' using message = 'says the test'; end $$`),
    );
    assert.deepEqual([failure.kind, failure.code], ["unavailable", state]);
    assert.equal((await pool.run("select 1")).ok, true);
  });
}

test("a stop lets running statements end, refuses those that wait, and leaves nothing; a second stop has no effect", async (t) => {
  const { pool, backends } = await rig(t, { size: 1 });
  const running = pool.run("select pg_sleep(0.3)");
  const waiting = pool.run("select 1");
  await until(async () => (await backends()) === 1, 5_000);
  await Promise.all([pool.stop(), pool.stop()]);
  assert.equal((await running).ok, true);
  assert.deepEqual([failureOf(await waiting).code, failureOf(await waiting).maybeCommitted], ["STOPPED", false]);
  assert.equal(failureOf(await pool.run("select 1")).code, "STOPPED");
  await pool.stop();
  await until(async () => (await backends()) === 0, 5_000, "the pool's backends to go");
});

test("a stop before the first statement succeeds", async (t) => {
  const { pool } = await rig(t);
  await pool.stop();
  await pool.stop();
});

test("no more connections are made than the pool has", async (t) => {
  const { pool, backends } = await rig(t, { size: 3 });
  const results = Promise.all(Array.from({ length: 20 }, () => pool.run("select pg_sleep(0.05)")));
  await until(async () => (await backends()) === 3, 5_000);
  assert.ok((await results).every((r) => r.ok));
  assert.equal(await backends(), 3);
});

test("PostgreSQL 18 prunes no partition, also on a connection that replaces another: it prunes through freed memory (decision 15)", async (t) => {
  const { pool, ask } = await rig(t, { size: 1 });
  const pruning = async (): Promise<string | undefined> =>
    rowsOf(await pool.run<{ value: string }>("select current_setting('enable_partition_pruning') as value"))[0]?.value;
  assert.equal(await pruning(), "off");
  const backend = rowsOf(await pool.run<{ pid: number }>("select pg_backend_pid() as pid"))[0]?.pid ?? 0;
  await ask("select pg_terminate_backend($1::int4, 5000) as value", [backend]);
  await until(async () => (await pool.run("select 1")).ok, 10_000, "a new connection");
  assert.equal(await pruning(), "off");
});
