/**
 * Errors of PostgreSQL that pass: conflicts, cancelled statements, lost backends. What can be tried again is tried again; what
 * remains is said with its meaning.
 *
 * Quick: one server, one publisher.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { testBroker } from "../support/acker.ts";
import { rowsOf } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";

/** Fails a statement with the SQLSTATE as often as the sequence says. */
const FAIL = `create sequence failures;
create function fail_first(code text, times int) returns boolean language plpgsql as $$
begin
  if nextval('failures') <= times then raise exception 'says the test' using errcode = code; end if;
  return true;
end $$`;

async function poolOf(t: TestContext): Promise<{ pool: Pool; url: string }> {
  const { url } = await testDatabase(t);
  const pool = createPool({ url, size: 2, applicationName: "acktor-test", deadlineMs: 10_000 });
  t.after(() => pool.stop());
  rowsOf(await pool.run(FAIL, [], { simple: true }));
  return { pool, url };
}

// POOL-6
test("a statement refused for its moment runs again: conflict, deadlock, cancelled, lost prepared statement", async (t) => {
  const { pool } = await poolOf(t);
  for (const code of ["40001", "40P01", "57014", "26000", "42P05", "25P02"]) {
    rowsOf(await pool.run("alter sequence failures restart", [], { simple: true }));
    assert.deepEqual(rowsOf(await pool.run("select fail_first($1, 3) ok", [code])), [{ ok: true }], code);
  }
  rowsOf(await pool.run("alter sequence failures restart", [], { simple: true }));
  const final = await pool.run("select fail_first('40001', 100)");
  assert.equal(!final.ok && final.failure.code, "40001", "not without limit");
  rowsOf(await pool.run("alter sequence failures restart", [], { simple: true }));
  const refused = await pool.run("select fail_first('23505', 1)");
  assert.equal(!refused.ok && refused.failure.code, "23505", "what PostgreSQL would repeat is not tried again");
});

async function publisherOf(t: TestContext): Promise<{ publisher: TestPublisher; pool: Pool }> {
  const [{ pool, url }, broker] = await Promise.all([poolOf(t), testBroker(t)]);
  rowsOf(
    await pool.run(
      "do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$",
      [],
      { simple: true },
    ),
  );
  const publisher = await testPublisher(t, { DATABASE_URL: url, MQTT_URL: broker.url });
  return { publisher, pool };
}

// INSERT-3
test("400 calls while backends are ended and the database's default is serializable: each is stored, once", async (t) => {
  const { publisher, pool } = await publisherOf(t);
  const send = () => publisher.ask("POST", "/v1/messages", { topic: "a/b", content: "x" });
  const kill =
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'acktor-publisher%' and state = 'active' limit 1";
  let kills = 0;
  const answers = [];
  for (let round = 0; round < 8; round++) {
    const calls = Array.from({ length: 50 }, send);
    for (let n = 0; n < 4; n++) kills += rowsOf(await pool.run(kill)).length;
    answers.push(...(await Promise.all(calls)));
  }
  assert.deepEqual(
    answers.filter(({ status }) => status !== 201).map(({ text }) => text),
    [],
  );
  const stored = "select count(*)::int4 n from publisher.message_delivery";
  assert.deepEqual(rowsOf(await pool.run(stored)), [{ n: 400 }]);
  t.diagnostic(`${kills} backends ended`);
});

test("what remains is said with its meaning: a trigger of the application, and a conflict that lasts", async (t) => {
  const { publisher, pool } = await publisherOf(t);
  const refuse = async (code: string): Promise<void> => {
    rowsOf(
      await pool.run(
        `create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'secret row' using errcode = '${code}'; end $$;
         create or replace trigger refuse before insert on publisher.message_delivery for each row execute function refuse()`,
        [],
        { simple: true },
      ),
    );
  };
  const told: Readonly<Record<string, readonly [status: number, fix: RegExp]>> = {
    40001: [503, /conflict.*Then try again/i],
    P0001: [500, /triggers that acktor did not make/],
  };
  for (const [code, [status, fix]] of Object.entries(told)) {
    await refuse(code);
    const answer = await publisher.ask("POST", "/v1/messages", { topic: "a/b", content: "x" });
    assert.equal(answer.status, status, answer.text);
    const error = answer.json["error"] as Readonly<Record<string, string>>;
    assert.match(error["message"] ?? "", new RegExp(`SQLSTATE ${code}`));
    assert.match(error["fix"] ?? "", fix);
    assert.doesNotMatch(answer.text, /secret row|report it/);
  }
});
