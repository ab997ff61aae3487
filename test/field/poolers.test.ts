/**
 * Behind PgBouncer: both modes work, each statement runs under acktor's settings, and other clients of the pooler never do.
 *
 * Quick: one server, no services.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import type { Pooler } from "@acktor/shared/db/connector";
import { createTransactionSlots, FENCE } from "@acktor/shared/db/fenced-transaction";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { rowsOf } from "../support/outbox.ts";
import { startPgBouncer } from "../support/pgbouncer.ts";
import { testDatabase } from "../support/postgres.ts";

const SETTINGS = `select current_setting('enable_seqscan') seqscan, current_setting('enable_partition_pruning') pruning,
  current_setting('statement_timeout') "limit", current_setting('transaction_isolation') isolation,
  current_setting('DateStyle') dates, current_setting('TimeZone') zone, $1::int4 + 1 as sum`;
const OURS = {
  seqscan: "off",
  pruning: "off", // PostgreSQL 18
  limit: "11s",
  isolation: "read committed",
  dates: "ISO, MDY",
  zone: "UTC",
};
/** What an application may have given to its role. */
const ROLE =
  "do $$ begin execute format('alter role %I in database %I set datestyle = ''SQL, DMY''', current_user, current_database()); execute format('alter role %I in database %I set default_transaction_isolation = serializable', current_user, current_database()); end $$";

interface Scene {
  readonly url: string;
  readonly direct: Pool;
  pool(pooler: Pooler, name: string): Pool;
}

async function scene(t: TestContext, mode: "transaction" | "session", backends = 4): Promise<Scene | null> {
  const { url } = await testDatabase(t);
  const open = (address: string, pooler: Pooler, applicationName: string): Pool => {
    const pool = createPool({ url: address, pooler, size: 3, applicationName, deadlineMs: 10_000 });
    t.after(() => pool.stop());
    return pool;
  };
  const direct = open(url, "auto", "direct");
  rowsOf(await direct.run(ROLE));
  const bouncer = await startPgBouncer(t, url, { mode, settings: { default_pool_size: String(backends) } });
  if (bouncer === null) return null;
  return { url: bouncer.url, direct, pool: (pooler, name) => open(bouncer.url, pooler, name) };
}

// CONNECTION-3
for (const [mode, pooler] of [
  ["transaction", "auto"],
  ["transaction", "transaction"],
  ["session", "auto"],
  ["session", "session"],
] as const) {
  test(`PgBouncer in ${mode} mode, ACKTOR_DATABASE_POOLER=${pooler}: each statement runs under acktor's settings`, async (t) => {
    const behind = await scene(t, mode);
    if (behind === null) return;
    const pool = behind.pool(pooler, "behind");
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => pool.run(SETTINGS, [n])));
    for (const [at, answer] of answers.entries()) assert.deepEqual(rowsOf(answer), [{ ...OURS, sum: at + 2 }]);
    const refused = await pool.run("select 1 / $1::int4", [0]);
    assert.equal(!refused.ok && refused.failure.code, "22012");
    assert.deepEqual(rowsOf(await pool.run("select 1 as one; select 2 as two", [], { simple: true })), [{ two: 2 }]);
  });
}

// CONNECTOR-3
test("another client of the pooler gets the same backend without acktor's settings", async (t) => {
  const behind = await scene(t, "transaction", 1);
  if (behind === null) return;
  const [ours, theirs] = [behind.pool("auto", "ours"), behind.pool("transaction", "theirs")];
  const backend = "select pg_backend_pid() pid";
  const [first] = rowsOf(await ours.run<{ pid: number }>(backend));
  const plain = "select current_setting('enable_seqscan') seqscan, pg_backend_pid() pid";
  const [seen] = rowsOf(await theirs.run<{ seqscan: string; pid: number }>(plain, [], { simple: true }));
  assert.deepEqual(seen, { seqscan: "on", pid: first?.pid });
  rowsOf(await ours.run("prepare transaction_mode as select 1", [], { simple: true }));
  const names = rowsOf(
    await theirs.run<{ name: string }>("select name from pg_prepared_statements", [], { simple: true }),
  );
  assert.deepEqual(names, [{ name: "transaction_mode" }], "only what a caller has prepared itself");
});

// CONNECTOR-4
test("ACKTOR_DATABASE_POOLER=session in front of a pooler in transaction mode: the service states it and ends", async (t) => {
  const behind = await scene(t, "transaction");
  if (behind === null) return;
  const refused = await behind.pool("session", "two").run("select 1");
  assert.deepEqual(!refused.ok && [refused.failure.kind, refused.failure.code], ["rejected", "POOLER_MODE"]);
  const env = { DATABASE_URL: behind.url, ACKTOR_DATABASE_POOLER: "session", MQTT_URL: "mqtt://127.0.0.1:1" };
  const service = await startPublisher({ ...env, HTTP_PORT: "0" }, { logStream: { write: () => undefined } });
  assert.ok(service.ok);
  const started = await service.started;
  await service.stop();
  assert.match(started.ok ? "" : started.fault, /transaction mode, so set ACKTOR_DATABASE_POOLER=transaction/);
});

// POOL-1, SLOT-1
test("a statement that misses its deadline is ended at the server, through the pooler", async (t) => {
  const behind = await scene(t, "transaction");
  if (behind === null) return;
  const pool = behind.pool("auto", "behind");
  const late = await pool.run("select pg_sleep($1::float8)", [20], { deadlineMs: 300 });
  assert.equal(!late.ok && late.failure.code, "DEADLINE");
  assert.equal((await pool.run("select 1")).ok, true);
  const sleeping =
    "select count(*)::int4 n from pg_stat_activity where query like '%pg_sleep(%' and state = 'active' and pid <> pg_backend_pid()";
  assert.deepEqual(rowsOf(await behind.direct.run(sleeping)), [{ n: 0 }]);
});

// TRANSACTION-2
test("a handler's transaction is fenced behind a pooler in transaction mode", async (t) => {
  const behind = await scene(t, "transaction", 1);
  if (behind === null) return;
  rowsOf(await behind.direct.run("create table note (text text primary key)"));
  const slots = createTransactionSlots({ url: behind.url, size: 2, queueLimit: 10, applicationName: "handlers" });
  t.after(() => slots.stop());
  const { signal } = new AbortController();
  const outcomes = await Promise.all(
    ["a", "b", "c"].map((text) =>
      slots.run(
        (query) => query("insert into note values ($1)", [text]),
        { text: `select 1 where ${FENCE} = $1`, params: [] },
        signal,
      ),
    ),
  );
  assert.deepEqual(outcomes, [{ kind: "committed" }, { kind: "committed" }, { kind: "committed" }]);
  assert.equal(rowsOf(await behind.direct.run("select * from note")).length, 3);
});

test("the configuration of the how-to works", async (t) => {
  const page = readFileSync(path.resolve(import.meta.dirname, "../../docs/how-to/behind-pgbouncer.md"), "utf8");
  const ini = /```ini\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const lines = ini.slice(ini.indexOf("[pgbouncer]")).split("\n").slice(1);
  const pairs = lines.filter((line) => line.includes(" = ")).map((line) => line.split(" = "));
  const settings = Object.fromEntries(pairs.filter(([name = ""]) => !/^(listen_|auth_file|pool_mode)/.test(name)));
  assert.deepEqual(Object.keys(settings), ["auth_type", "default_pool_size", "max_client_conn"]);
  const { url } = await testDatabase(t);
  const bouncer = await startPgBouncer(t, url, { mode: "transaction", settings });
  if (bouncer === null) return;
  const env = { DATABASE_URL: bouncer.url, ACKTOR_DATABASE_POOLER: "transaction", MQTT_URL: "mqtt://127.0.0.1:1" };
  const publisher = await startPublisher({ ...env, HTTP_PORT: "0" }, { logStream: { write: () => undefined } });
  assert.ok(publisher.ok);
  t.after(() => publisher.stop());
  assert.deepEqual(await publisher.started, { ok: true });
  const answer = await fetch(`${publisher.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic: "a/b", content: "x" }),
  });
  assert.equal(answer.status, 201);
});
