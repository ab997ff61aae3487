/**
 * A PostgreSQL that answers and takes no writes, or lets the services not in: both name its state once, and its end.
 *
 * Quick: one database, statements of milliseconds; each state is found within a second or two.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startPublisher } from "@acktor/publisher/app";
import type { Pool } from "@acktor/shared/db/pool";
import { testAcker, testBroker } from "../support/acker.ts";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { rowsOf, testPool } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };
const MESSAGE = { topic: "data/1", content: "x" };
const SERVERS_OWN =
  "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";

interface Pair {
  readonly publisher: TestPublisher;
  readonly acker: Awaited<ReturnType<typeof testAcker>>;
  readonly pool: Pool;
  readonly database: string;
  sql(text: string): Promise<void>;
}

async function pair(t: TestContext): Promise<Pair> {
  const [broker, { url, name }] = await Promise.all([testBroker(t), testDatabase(t)]);
  const env = { DATABASE_URL: url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, env);
  const acker = await testAcker(t, env);
  const pool = testPool(t, url, 1);
  const sql = async (text: string): Promise<void> => void rowsOf(await pool.run(text, [], { simple: true }));
  return { publisher, acker, pool, database: name, sql };
}

async function textOf(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
}

/** Waits until both services show this state, or both are ready. */
async function bothShow({ publisher, acker }: Pair, state: string): Promise<void> {
  for (const url of [publisher.url, acker.running.url]) {
    await until(
      async () => (await textOf(`${url}/readyz?verbose`)).text.includes(`"postgres":"${state}`),
      10_000,
      state,
    );
    const { status } = await textOf(`${url}/readyz`);
    assert.equal(status, state === "ok" ? 200 : 503);
    const kind = state === "ok" ? "ok" : state.slice(0, -1);
    assert.match((await textOf(`${url}/metrics`)).text, new RegExp(`acktor_database_state\\{state="${kind}"\\} 1`));
  }
}

/** Lines of both logs with this message. */
function said({ publisher, acker }: Pair, message: string): number {
  const lines = [...publisher.log.map((line) => JSON.parse(line) as { msg: string }), ...acker.log];
  return lines.filter(({ msg }) => msg === message).length;
}

async function works({ publisher }: Pair): Promise<void> {
  const id = await publisher.send(MESSAGE);
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
}

test("read-only: both are down and log it once; the 503 names it; both return by themselves", options, async (t) => {
  const both = await pair(t);
  await works(both);
  await both.sql(`alter database ${both.database} set default_transaction_read_only = on`);
  await both.sql(SERVERS_OWN);
  await bothShow(both, "read_only:");
  const refused = await both.publisher.ask("POST", "/v1/messages", MESSAGE);
  assert.equal(refused.status, 503);
  assert.match(refused.text, /PostgreSQL is read-only \(25006\).*default_transaction_read_only/);
  assert.equal(said(both, "PostgreSQL is read-only"), 2);
  await both.sql(
    `set default_transaction_read_only = off; alter database ${both.database} reset default_transaction_read_only`,
  );
  await both.sql(SERVERS_OWN);
  await bothShow(both, "ok");
  await works(both);
  assert.equal(said(both, "PostgreSQL works again"), 2);
  assert.equal(said(both, "PostgreSQL is read-only"), 2, "no flapping");
});

test("a full disk: found by the first refused write, over when a probe's write succeeds", options, async (t) => {
  const both = await pair(t);
  // The server's own error, raised where it would be.
  await both.sql(`create function public.full() returns trigger language plpgsql as
    $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`);
  for (const table of ["publisher.message_delivery", "publisher.disk_probe"])
    await both.sql(`create trigger full_disk before insert on ${table} for each row execute function public.full()`);
  const refused = await both.publisher.ask("POST", "/v1/messages", MESSAGE);
  assert.match(refused.text, /"code":"database_unavailable".*The disk of PostgreSQL is full \(53100\)/);
  const { url } = both.publisher;
  await until(async () => (await textOf(`${url}/readyz?verbose`)).text.includes("full_disk:"), 5_000, "full_disk");
  await until(
    () => both.publisher.log.some((line) => line.includes("The disk of PostgreSQL is full")),
    5_000,
    "a line",
  );
  await both.sql(
    `drop trigger full_disk on publisher.message_delivery; drop trigger full_disk on publisher.disk_probe`,
  );
  await bothShow(both, "ok");
  await works(both);
  assert.equal(said(both, "PostgreSQL works again"), 1);
});

test(
  "no database, a wrong password, no connection left: readyz says which before the service has started",
  options,
  async (t) => {
    const { url, name } = await testDatabase(t);
    const pool = testPool(t, url, 1);
    rowsOf(await pool.run(`create role ${name} login password 'right' connection limit 0`));
    cleanUp(t, async () => void (await pool.run(`drop role ${name}`)));
    const missing = new URL(url);
    missing.pathname = "/there_is_no_such_database";
    const wrong = new URL(url);
    wrong.password = "wrong";
    const crowded = new URL(url);
    crowded.username = name;
    crowded.password = "right";
    for (const [database, state] of [
      [missing, "missing_database"],
      [wrong, "login"],
      [crowded, "too_many_connections"],
    ] as const) {
      const env = { DATABASE_URL: database.href, MQTT_URL: "mqtt://127.0.0.1:1", HTTP_PORT: "0" };
      const log: string[] = [];
      const running = await startPublisher(env, { logStream: { write: (line: string) => void log.push(line) } });
      assert.ok(running.ok);
      cleanUp(t, () => running.stop());
      const shows = async () => (await textOf(`${running.url}/readyz?verbose`)).text.includes(`"postgres":"${state}:`);
      await until(shows, 5_000, state);
      const answer = await fetch(`${running.url}/v1/messages`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(MESSAGE),
      });
      assert.equal(answer.status, 503);
      assert.equal(
        log.filter((line) => line.includes('"level":"error"') || line.includes('"state"')).length,
        1,
        log.join(""),
      );
      await running.stop();
    }
  },
);

test(
  "a database in LATIN1: content that it cannot store is a 400 that names it; what it can store is delivered",
  options,
  async (t) => {
    const [broker, { url, name }] = await Promise.all([testBroker(t), testDatabase(t)]);
    const admin = testPool(t, url, 1);
    const latin = `${name}_latin1`;
    rowsOf(
      await admin.run(`create database ${latin} encoding 'LATIN1' locale 'C' template template0`, [], { simple: true }),
    );
    cleanUp(t, async () => void (await admin.run(`drop database ${latin} with (force)`, [], { simple: true })));
    const database = new URL(url);
    database.pathname = `/${latin}`;
    const env = { DATABASE_URL: database.href, MQTT_URL: broker.url };
    const publisher = await testPublisher(t, env);
    await testAcker(t, env);
    const [good, bad] = await Promise.all([
      publisher.ask("POST", "/v1/messages", { topic: "data/1", content: "Gr\u00fc\u00dfe" }),
      publisher.ask("POST", "/v1/messages", { topic: "data/1", content: "\u65e5\u672c" }),
    ]);
    assert.equal(good.status, 201, good.text);
    assert.deepEqual([bad.status, /"field":"content"/.test(bad.text)], [400, true], bad.text);
    const id = String(good.json["message_id"]);
    await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  },
);
