/** `@acktor/acker` as a library: what handlers may return, how they may fail, and what commits with the inbox. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAcker, inTransaction, type MessageHandler, processed, rejected, sql } from "@acktor/acker";
import { libraryRig } from "../support/library-acker.ts";
import { until } from "../support/until.ts";

test("processed, rejected, a fragment, a transaction: each answered, each effect once", async (t) => {
  const rig = await libraryRig(t);
  const seen: string[] = [];
  await rig.start({
    "t/plain": (message) => {
      seen.push(`${message.id} ${message.topic} ${message.content}`);
      return processed;
    },
    "t/later": () => rejected("not now", { retryAfterMs: 90_000 }),
    "t/never": async () => rejected("not ever", { retryable: false }),
    "t/fragment": (message) => sql`insert into effect values (${message.id}, ${Number(message.content)})`,
    "t/transaction": (message) =>
      inTransaction(async (query) => {
        await query("insert into effect values ($1, 0)", [message.id]);
        const [row] = await query<{ n: number }>("update effect set n = 7 where id = $1 returning n", [message.id]);
        assert.equal(row?.n, 7);
      }),
  });
  for (const kind of ["plain", "later", "never", "fragment", "transaction"]) {
    await rig.send(`t/${kind}`, kind, "5");
    await rig.answer(kind);
  }
  assert.deepEqual(seen, ["plain t/plain 5"]);
  const { status, retryable, retry_after, reason, attempt_token } = await rig.answer("later");
  assert.deepEqual([status, retryable, retry_after, reason, attempt_token], ["rejected", true, 90, "not now", "1"]);
  const never = await rig.answer("never");
  assert.deepEqual([never["status"], never["retryable"], never["reason"]], ["rejected", false, "not ever"]);
  for (const kind of ["fragment", "transaction"]) {
    await rig.send(`t/${kind}`, kind, "5");
    await rig.client.hears(`delivery/ack/${kind}`, 2);
  }
  assert.deepEqual(await rig.ask("select id, n from effect order by 1"), [
    { id: "fragment", n: 5 },
    { id: "transaction", n: 7 },
  ]);
  assert.deepEqual(await rig.ask("select status, count(*)::int4 n from acker.inbox group by 1 order by 1"), [
    { status: "processed", n: 3 },
    { status: "received", n: 1 },
    { status: "rejected", n: 1 },
  ]);
});

// COMMIT-1, SHARE-1, EFFECTS-2
test("many fragments share statements; one that PostgreSQL refuses fails alone; updates of one row all count", async (t) => {
  const rig = await libraryRig(t);
  await rig.start({
    "t/insert": ({ id, content }) => sql`insert into effect values (${content === "twin" ? "twin" : id}, ${1})`,
    "t/update": () => sql`update counter set n = n + 1 where name = ${"all"}`,
    "t/select": () => sql`select setval('acker_test', nextval('acker_test') + 9)`,
  });
  await rig.ask("create sequence acker_test");
  const ids = Array.from({ length: 180 }, (_, i) => `i${i}`);
  await Promise.all([
    ...ids.map((id) => rig.send("t/insert", id)),
    rig.send("t/insert", "twin-1", "twin"),
    rig.send("t/insert", "twin-2", "twin"),
    ...ids.slice(0, 40).map((id) => rig.send("t/update", `u${id}`)),
    rig.send("t/select", "select"),
  ]);
  for (const id of [...ids, ...ids.slice(0, 40).map((id) => `u${id}`), "select"]) {
    assert.equal((await rig.answer(id))["status"], "processed");
  }
  const twins = [await rig.answer("twin-1"), await rig.answer("twin-2")];
  assert.deepEqual(twins.map((ack) => ack["status"]).sort(), ["processed", "rejected"]);
  const refused = twins.find((ack) => ack["status"] === "rejected");
  assert.equal(refused?.["retryable"], false);
  assert.match(String(refused?.["reason"]), /effect_pkey.*23505/);
  assert.deepEqual(await rig.ask("select n from counter"), [{ n: 40 }]);
  assert.deepEqual(await rig.ask("select count(*)::int4 n from effect"), [{ n: 181 }]);
  assert.deepEqual(await rig.ask("select last_value::int4 v from acker_test"), [{ v: 10 }]);
});

// ROWS-1, SHAPE-1, SHAPE-2
test("values arrive as PostgreSQL reads them by their columns, alone and in one insert of many", async (t) => {
  const rig = await libraryRig(t);
  await rig.ask("create type mood as enum ('fine', 'bad')");
  await rig.ask("create domain small as int4 check (value < 1000)");
  await rig.ask(
    `create table typed (id uuid primary key, n numeric(8, 2), b bytea, j jsonb, at timestamptz, ok bool, m mood, d small,
      name varchar(12), note text, list int4[])`,
  );
  const odd = 'a "quoted" \\ {b}, NULL\n';
  await rig.start({
    "t/row": ({ id, content }) => sql`insert into typed (id, n, b, j, at, ok, m, d, name, note)
      values (${id}, ${1.005}, ${Uint8Array.of(0, 92, 34)}, ${'{"a":["\\"",1]}'}::text::jsonb, ${new Date(0)}, ${true},
        ${content === "bad" ? "no mood" : "fine"}, ${content === "small" ? 1_000 : 9}, ${content}, ${odd})`,
    "t/nulls": ({ id }) =>
      sql`insert into typed (id, n, note) values (${id}, ${null}, ${"NULL"}) on conflict do nothing`,
    "t/list": ({ id }) => sql`insert into typed (id, list) values (${id}, ${"{1,2}"})`,
  });
  const id = (n: number): string => `01890a5d-ac96-774b-bcce-${String(n).padStart(12, "0")}`;
  await rig.send("t/row", id(0), "first");
  await rig.answer(id(0));
  const more = Array.from({ length: 120 }, (_, i) => id(i + 1));
  await Promise.all(more.map((one, i) => rig.send(`t/${["row", "nulls", "list"][i % 3]}`, one, "twelve chars")));
  const refused = { bad: /mood/, small: /small_check/, "longer than twelve": /too long/ };
  await Promise.all(Object.keys(refused).map((content, i) => rig.send("t/row", id(900 + i), content)));
  for (const one of more) assert.equal((await rig.answer(one))["status"], "processed");
  for (const [i, why] of Object.values(refused).entries()) {
    const ack = await rig.answer(id(900 + i));
    assert.deepEqual([ack["status"], ack["retryable"]], ["rejected", false]);
    assert.match(String(ack["reason"]), why);
  }
  const shape = "n::text, b::text, j::text, extract(epoch from at)::int4 at, ok, m::text, d, note, list::text";
  assert.deepEqual(
    await rig.ask(`select count(*)::int4 c, ${shape} from typed group by 2, 3, 4, 5, 6, 7, 8, 9, 10 order by 1, note`),
    [
      ...[
        ["NULL", null],
        [null, "{1,2}"],
      ].map(([note, list]) => ({
        c: 40,
        n: null,
        b: null,
        j: null,
        at: null,
        ok: null,
        m: null,
        d: null,
        note,
        list,
      })),
      {
        c: 41,
        n: "1.01",
        b: "\\x005c22",
        j: '{"a": ["\\"", 1]}',
        at: 0,
        ok: true,
        m: "fine",
        d: 9,
        note: odd,
        list: null,
      },
    ],
  );
  // The table was replaced: the known column types are wrong, and the acker notices it.
  await rig.ask("alter table typed alter column n type text");
  await Promise.all(more.slice(0, 60).map((_, i) => rig.send("t/row", id(2_000 + i), "x")));
  for (let i = 0; i < 60; i++) {
    const ack = await rig.answer(id(2_000 + i));
    assert.ok(ack["status"] === "processed" || ack["retryable"] === true, JSON.stringify(ack));
  }
  await rig.send("t/row", id(3_000), "x");
  assert.equal((await rig.answer(id(3_000)))["status"], "processed");
  assert.deepEqual(await rig.ask(`select n from typed where id = '${id(3_000)}'`), [{ n: "1.005" }]);
});

test("FIRST-2: effects of handlers that answer immediately are in the inbox's own statement, once, also next to faulty ones", async (t) => {
  const rig = await libraryRig(t);
  let calls = 0;
  await rig.start({
    "t/quick": ({ id, content }) => {
      calls++;
      if (content === "throw") throw new Error("on purpose");
      if (content === "reject") return rejected("not this one", { retryable: false });
      if (content === "update") return sql`update counter set n = n + ${1}`;
      return sql`insert into effect values (${content === "twin" ? "twin" : id}, ${1})`;
    },
    "t/async": async ({ id }) => sql`insert into effect values (${id}, ${2})`,
  });
  const ids = Array.from({ length: 60 }, (_, i) => `p${i}`);
  await Promise.all(ids.map((id) => rig.send("t/quick", id)));
  for (const id of ids) assert.equal((await rig.answer(id))["status"], "processed");
  assert.equal(calls, ids.length);
  const leased = "select count(*)::int4 n from acker.inbox where lease_owner <> ''";
  assert.deepEqual(await rig.ask(leased), [{ n: 0 }], "none of them was taken on with its own lease");
  // A duplicate, two effects of which one is invalid, one that throws, one that rejects, one that is not an insert: next to
  // new messages.
  const more = ids.map((id) => `x${id}`);
  const wanted: Record<string, string> = {
    throw: "rejected",
    reject: "rejected",
    update: "processed",
    async: "processed",
  };
  await Promise.all([
    rig.send("t/quick", "p0"),
    ...more.map((id) => rig.send("t/quick", id)),
    rig.send("t/quick", "twin-1", "twin"),
    rig.send("t/quick", "twin-2", "twin"),
    ...["throw", "reject", "update"].map((id) => rig.send("t/quick", id, id)),
    rig.send("t/async", "async"),
  ]);
  for (const id of more) assert.equal((await rig.answer(id))["status"], "processed");
  for (const [id, status] of Object.entries(wanted)) assert.equal((await rig.answer(id))["status"], status, id);
  await rig.client.hears("delivery/ack/p0", 2);
  const twins = [await rig.answer("twin-1"), await rig.answer("twin-2")].map((ack) => ack["status"]);
  assert.deepEqual(twins.sort(), ["processed", "rejected"]);
  assert.deepEqual(await rig.ask("select n, count(*)::int4 c from effect group by 1 order by 1"), [
    { n: 1, c: 121 },
    { n: 2, c: 1 },
  ]);
  assert.deepEqual(await rig.ask("select n from counter"), [{ n: 1 }]);
});

test("a handler that throws, hangs, returns nonsense or has a broken effect fails only its own message", async (t) => {
  const rig = await libraryRig(t);
  await rig.start({
    "t/throws": () => {
      throw new Error("on purpose");
    },
    "t/hangs": { handle: () => new Promise(() => undefined), timeoutMs: 400, concurrency: 1 },
    "t/nonsense": (() => ({ kind: "done" })) as never,
    "t/nothing": (() => undefined) as never,
    "t/no-table": () => sql`insert into no_such_table values (1)`,
    "t/value": () => sql`insert into effect values (${{} as never}, 1)`,
    "t/aborts": (message) =>
      inTransaction(async (query) => {
        await query("insert into effect values ($1, 1)", [message.id]);
        throw new Error("changed its mind");
      }),
    "t/leaks": (message) =>
      inTransaction(async (query) => {
        // Not awaited: the failure fails the transaction and is not lost.
        query("insert into no_such_table values ($1)", [message.id]).catch(() => "not looked at");
      }),
    "t/fine": (message) => sql`insert into effect values (${message.id}, 1)`,
  });
  const bad = {
    throws: /on purpose/,
    hangs: /did not answer within 0.4 s/,
    nonsense: /neither processed/,
    nothing: /neither processed/,
    "no-table": /no_such_table.*42P01/,
    value: /a value of a fragment is object/,
    aborts: /changed its mind/,
    leaks: /no_such_table|aborted/,
  };
  for (const kind of Object.keys(bad)) await rig.send(`t/${kind}`, kind);
  for (let i = 0; i < 20; i++) await rig.send("t/fine", `fine${i}`);
  for (let i = 0; i < 20; i++) assert.equal((await rig.answer(`fine${i}`))["status"], "processed");
  for (const [kind, reason] of Object.entries(bad)) {
    const ack = await rig.answer(kind);
    assert.deepEqual([ack["status"], ack["retryable"]], ["rejected", true], kind);
    assert.match(String(ack["reason"]), reason, kind);
  }
  assert.deepEqual(await rig.ask("select count(*)::int4 n from effect where id not like 'fine%'"), [{ n: 0 }]);
});

test("a handler that blocks the event loop for five seconds: its message is rejected, the others are processed", async (t) => {
  const rig = await libraryRig(t);
  let calls = 0;
  await rig.start({
    "t/blocks": {
      timeoutMs: 1_000,
      handle: () => {
        if (++calls > 1) return processed;
        for (const end = performance.now() + 5_000; performance.now() < end; );
        return processed;
      },
    },
    "t/waits": () => new Promise((resolve) => setTimeout(() => resolve(processed), 100)),
    "t/fine": (message) => sql`insert into effect values (${message.id}, 1)`,
  });
  await rig.send("t/waits", "waits");
  await rig.send("t/blocks", "blocks");
  for (let i = 0; i < 20; i++) await rig.send("t/fine", `fine${i}`);
  for (let i = 0; i < 20; i++) assert.equal((await rig.answer(`fine${i}`, 20_000))["status"], "processed");
  assert.equal((await rig.answer("waits"))["status"], "processed", "it had time enough in spite of the other");
  const ack = await rig.answer("blocks");
  assert.deepEqual([ack["status"], ack["retryable"]], ["rejected", true]);
  assert.match(String(ack["reason"]), /kept the process busy for 5(\.\d+)? s/);
  // As the outbox does: the message was rejected for now, and is sent again.
  await rig.send("t/blocks", "blocks", "1", { attempt_token: "2", retry_count: 1 });
  const status = async () =>
    (await rig.ask("select status from acker.inbox where external_id = 'blocks'"))[0]?.["status"];
  await until(async () => (await status()) === "processed", 10_000, "the second try");
});

// PATIENCE-1
test("the outbox is asked for patience while a handler works, automatically and by the handler", async (t) => {
  const rig = await libraryRig(t);
  let finish = (): void => undefined;
  const slow: MessageHandler = (_message, { working }) => {
    working(60_000);
    return new Promise((resolve) => {
      finish = () => resolve(processed);
    });
  };
  const acker = await rig.start({ "t/slow": slow }, { httpPort: 0 });
  await rig.send("t/slow", "slow");
  const asked = await rig.client.hears("delivery/ack/slow");
  assert.deepEqual([asked["status"], asked["working_for"], asked["attempt_token"]], ["working", 60, "1"]);
  finish();
  assert.equal((await rig.answer("slow"))["status"], "processed");
  await rig.send("t/slow", "slower");
  const first = await rig.client.hears("delivery/ack/slower");
  assert.equal(first["status"], "working");
  assert.equal((await rig.client.hears("delivery/ack/slower", 2))["working_for"], 10);
  finish();
  assert.equal((await rig.answer("slower"))["status"], "processed");
  // The tutorial's sender treats any ack as final.
  await rig.client.send("t/slow", { message_id: "tutorial", content: "1" });
  await rig.send("t/slow", "beside");
  await rig.client.hears("delivery/ack/beside", 2);
  assert.deepEqual(rig.client.on("delivery/ack/tutorial"), []);
  const asks = ["slow", "slower", "beside"].flatMap((id) => rig.client.on(`delivery/ack/${id}`));
  const working = asks.filter(({ payload }) => payload.includes('"working"')).length;
  const metrics = await (await fetch(`${acker.url}/metrics`)).text();
  const counted = Number(/^acktor_acker_working_acks_total(?:\{[^}]*\})? (\d+)$/m.exec(metrics)?.[1]);
  assert.ok(counted >= working && counted <= working + 2, `${counted} counted, ${working} heard`);
});

test("faults of the options are listed, nothing starts", async () => {
  const answer = await createAcker({
    databaseUrl: "postgres://127.0.0.1/x",
    mqttUrl: "mqtt://127.0.0.1",
    handlers: { "a/#/b": { handle: () => processed } },
  });
  assert.ok(!answer.ok && answer.faults.some((fault) => fault.includes("a/#/b")));
  const bounds = await createAcker({
    databaseUrl: "x",
    mqttUrl: "y",
    handlers: { a: { handle: () => processed, concurrency: 0, timeoutMs: -1 } },
  });
  assert.ok(!bounds.ok && bounds.faults.length === 2);
});

// RUNS-1
test("it stops early, twice, and with a running handler: the message's lease is released immediately", async (t) => {
  const rig = await libraryRig(t);
  let entered = false;
  const acker = await rig.start({
    "t/slow": () => {
      entered = true;
      return new Promise(() => undefined);
    },
  });
  await rig.send("t/slow", "slow");
  await until(() => entered, 5_000, "the handler");
  await Promise.all([acker.stop(), acker.stop()]);
  assert.deepEqual(await rig.ask("select status, lease_until, reason, crashes from acker.inbox"), [
    { status: "received", lease_until: null, reason: "given back", crashes: 0 },
  ]);
});
