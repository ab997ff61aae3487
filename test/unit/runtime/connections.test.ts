/** What a connection, a pool and the slots of transactions do at answers that no real server gives on demand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connector } from "@acktor/shared/db/connector";
import { createPool } from "@acktor/shared/db/pool";
import { GREETING, POOLED_GREETING, startFakePostgres } from "../../support/fake-postgres.ts";

const GREETS = /pg_is_in_recovery/;
const WRITES = /^insert/;

// CONNECTION-4
test("a statement that ran although its begin was refused is in doubt, and runs once", async (t) => {
  let refuses = true;
  const server = await startFakePostgres(t, {
    answer: (text) => {
      if (GREETS.test(text)) return POOLED_GREETING;
      if (!text.startsWith("begin") || !refuses) return { n: "1" };
      refuses = false;
      return "57014";
    },
  });
  const pool = createPool({ url: `postgres://u:p@127.0.0.1:${server.port}/d`, applicationName: "x", size: 1 });
  t.after(() => pool.stop());
  const answer = await pool.run("insert into effect default values returning 1 n");
  assert.ok(!answer.ok);
  assert.deepEqual([answer.failure.kind, answer.failure.maybeCommitted], ["unavailable", true]);
  assert.equal(server.statements.filter((text) => WRITES.test(text)).length, 1);
  const next = await pool.run("insert into effect default values returning 1 n");
  assert.ok(next.ok, "on another connection");
});

// CONNECTOR-1
test("a server that takes the login and answers nothing is left after its timeout, for the next host", async (t) => {
  const hangs = await startFakePostgres(t, { answer: () => null });
  const works = await startFakePostgres(t, { answer: (text) => (GREETS.test(text) ? GREETING : { n: "1" }) });
  const hosts = `127.0.0.1:${hangs.port},127.0.0.1:${works.port}`;
  const { signal } = new AbortController();
  const before = performance.now();
  const both = new Connector({ url: `postgres://u:p@${hosts}/d?connect_timeout=1`, applicationName: "x" }, { a: "1" });
  const connection = await both.open(signal);
  t.after(() => connection.destroy());
  assert.ok(performance.now() - before < 3_000);
  assert.equal(works.logins(), 1);
  const alone = `postgres://u:p@127.0.0.1:${hangs.port}/d?connect_timeout=1`;
  const one = new Connector({ url: alone, applicationName: "x" }, {});
  await assert.rejects(one.open(signal), { code: "CONNECT_TIMEOUT" });
});

// CONNECTOR-5
test("an attempt that began before the address changed does not bring its host back", async (t) => {
  let refuse: (code: string) => void = () => undefined;
  const old = await startFakePostgres(t, {
    answer: () =>
      new Promise((resolve) => {
        refuse = resolve;
      }),
  });
  const present = await startFakePostgres(t, { answer: () => "57P03" });
  let url = `postgres://u:p@127.0.0.1:${old.port}/d`;
  const fresh = { read: () => ({ ok: true, value: url }) as const };
  const connector = new Connector({ url, applicationName: "x", fresh }, {});
  const { signal } = new AbortController();
  const first = assert.rejects(connector.open(signal));
  while (old.statements.length + old.logins() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  url = `postgres://u:new@127.0.0.1:${present.port}/d`;
  await assert.rejects(connector.open(signal));
  refuse("57P03");
  await first;
  await assert.rejects(connector.open(signal));
  assert.deepEqual([old.logins(), present.logins()], [1, 2]);
});

// CONNECTOR-4
test("a second session that was refused proves nothing: the next connection asks for one again", async (t) => {
  let isRefused = true;
  const server = await startFakePostgres(t, {
    login: (open) => (isRefused && open > 0 ? "53300" : null),
    answer: (text) => (GREETS.test(text) ? POOLED_GREETING : { n: "1" }),
  });
  const url = `postgres://u:p@127.0.0.1:${server.port}/d`;
  const connector = new Connector({ url, applicationName: "x", pooler: "session" }, { a: "1" });
  const { signal } = new AbortController();
  const connection = await connector.open(signal);
  t.after(() => connection.destroy());
  isRefused = false;
  await assert.rejects(connector.open(signal), { code: "POOLER_MODE" });
});
