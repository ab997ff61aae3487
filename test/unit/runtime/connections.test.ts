/** What a connection, a pool and the slots of transactions do at answers that no real server gives on demand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connector } from "@acktor/shared/db/connector";
import { createTransactionSlots } from "@acktor/shared/db/fenced-transaction";
import { createPool } from "@acktor/shared/db/pool";
import { GREETING, POOLED_GREETING, startFakePostgres } from "../../support/fake-postgres.ts";
import { until } from "../../support/until.ts";

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

// POOL-4
test("logins refused while a connection is open do not delay the first login after it ended", async (t) => {
  let limit = 1;
  const server = await startFakePostgres(t, {
    login: (open) => (open < limit ? null : "53300"),
    answer: async (text) => {
      if (!GREETS.test(text)) await new Promise((resolve) => setTimeout(resolve, 50));
      return GREETS.test(text) ? GREETING : { n: "1" };
    },
  });
  const pool = createPool({ url: `postgres://u:p@127.0.0.1:${server.port}/d`, applicationName: "x", size: 5 });
  t.after(() => pool.stop());
  const ask = () => pool.run("select n");
  await ask();
  await Promise.all(Array.from({ length: 6 }, ask));
  const refused = server.logins();
  assert.ok(refused > 2, "several logins were refused together");
  await new Promise((resolve) => setTimeout(resolve, 1_050));
  await Promise.all(Array.from({ length: 6 }, ask));
  assert.ok(server.logins() > refused, "together they count as one, so that the rest is a second");
  limit = 100;
  server.cut();
  await until(async () => (await ask()).ok, 1_000, "a login");
});

test("what refuses a session of its own is no fault of the statement", async (t) => {
  const server = await startFakePostgres(t, { answer: (text) => (GREETS.test(text) ? GREETING : "22023") });
  const pool = createPool({ url: `postgres://u:p@127.0.0.1:${server.port}/d`, applicationName: "x", size: 1 });
  t.after(() => pool.stop());
  const answer = await pool.run("select n");
  assert.deepEqual(answer.ok ? null : [answer.failure.kind, answer.failure.code], ["unavailable", "22023"]);
});

const CLOSING = { text: "select 1 n where $1 <> ''", params: [] };

// TRANSACTION-7
test("a transaction at a server that became read-only, full or stops ends its connection; the next one is elsewhere", async (t) => {
  for (const code of ["25006", "53100", "57P01", "58030"]) {
    let isUnfit = false;
    const answer = (text: string) => (GREETS.test(text) ? GREETING : { fence: "1:1" });
    const old = await startFakePostgres(t, {
      login: () => (isUnfit ? "57P03" : null),
      answer: (text) => (WRITES.test(text) && isUnfit ? code : answer(text)),
    });
    const present = await startFakePostgres(t, { answer });
    const url = `postgres://u:p@127.0.0.1:${old.port},127.0.0.1:${present.port}/d`;
    const slots = createTransactionSlots({ url, applicationName: "x", size: 1, queueLimit: 1 });
    t.after(() => slots.stop());
    const { signal } = new AbortController();
    const run = () => slots.run((query) => query("insert into note values (1)"), CLOSING, signal);
    assert.equal((await run()).kind, "committed");
    isUnfit = true;
    const refused = await run();
    assert.deepEqual([refused.kind, refused.kind === "unavailable" && refused.code], ["unavailable", code]);
    assert.equal((await run()).kind, "committed", code);
    assert.equal(present.logins(), 1);
  }
});

// TRANSACTION-4
test("a transaction that is cut off is cancelled while its connection is open", async (t) => {
  const cutting = new AbortController();
  let openAtCancel = -1;
  const server = await startFakePostgres(t, {
    cancelled: () => {
      openAtCancel = server.open();
    },
    answer: (text) => {
      if (GREETS.test(text)) return GREETING;
      if (!WRITES.test(text)) return { fence: "1:1" };
      cutting.abort();
      return null;
    },
  });
  const url = `postgres://u:p@127.0.0.1:${server.port}/d`;
  const slots = createTransactionSlots({ url, applicationName: "x", size: 1, queueLimit: 1 });
  t.after(() => slots.stop());
  const outcome = await slots.run((query) => query("insert into note values (1)"), CLOSING, cutting.signal);
  assert.equal(outcome.kind, "unavailable");
  assert.equal(openAtCancel, 1);
});
