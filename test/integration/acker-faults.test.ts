/** The acker when something is missing: no effect is lost, no ack comes before its commit, nothing happens twice. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import net from "node:net";
import { test } from "node:test";
import { startAcker } from "@acktor/acker/app";
import type { AfterHandler } from "@acktor/acker/process/handlers/handler";
import { plainClient, ready, sql, testAcker, testBroker, testPool } from "../support/acker.ts";
import { anyPort } from "../support/ports.ts";
import { startCluster, testDatabase } from "../support/postgres.ts";
import { startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

// STORE-2, CONCLUDE-1
test("PostgreSQL away: messages wait, no ack; PostgreSQL back: acks", async (t) => {
  const [broker, cluster] = await Promise.all([testBroker(t), startCluster(t)]);
  let later = 0;
  const clock = { now: () => performance.now() + later, wallClock: () => Date.now() };
  const acker = await testAcker(t, { DATABASE_URL: cluster.url, MQTT_URL: broker.url }, { clock });
  const client = await plainClient(t, broker.url);
  await cluster.kill();
  const ids = Array.from({ length: 20 }, () => randomUUID());
  for (const id of ids) await client.send("data/a", { message_id: id, content: "x" });
  await client.send("data/a", { message_id: "short-lived", content: "x", expires_in: 600 });
  await until(async () => (await fetch(`${acker.running.url}/readyz`)).status === 503, 5_000, "not ready");
  await until(async () => (await acker.status()).queue["held"] === 21, 5_000, "all held");
  later = 600_000;
  for (const id of ids) assert.equal(client.on(`delivery/ack/${id}`).length, 0);
  assert.equal((await fetch(`${acker.running.url}/livez`)).status, 200);
  await cluster.start();
  for (const id of ids) assert.equal((await client.hears(`delivery/ack/${id}`, 1, 15_000))["status"], "processed");
  await ready(acker.running.url);
  const pool = testPool(t, cluster.url);
  const [row] = await sql(pool, "select count(*)::int as rows from acker.inbox");
  assert.equal(row?.["rows"], 20);
  await until(async () => (await acker.status()).queue["held"] === 0, 5_000, "nothing held");
  assert.equal((await acker.status()).messages["expired"], 1);
  const births = client.on("delivery/acker/acker-1").length;
  assert.ok(births >= 2, "announced again, so that the outbox sends immediately what was refused");
});

// ACKER-1
test("nothing there at the start: alive and not ready; it waits and comes up", async (t) => {
  const cluster = await startCluster(t);
  await cluster.stop();
  const port = await anyPort();
  const env = { DATABASE_URL: cluster.url, MQTT_URL: `mqtt://127.0.0.1:${port}` };
  const acker = await testAcker(t, env, { wait: false });
  assert.equal((await fetch(`${acker.running.url}/livez`)).status, 200);
  const answer = await fetch(`${acker.running.url}/readyz`);
  assert.equal(answer.status, 503);
  assert.equal(((await answer.json()) as { checks: Record<string, string> }).checks["service"], "STARTING");
  await cluster.start();
  await testBroker(t, port);
  await ready(acker.running.url);
  assert.deepEqual(await acker.running.started, { ok: true });
});

test("a stop while it still waits for PostgreSQL takes no time", async (t) => {
  const port = await anyPort();
  const env = { DATABASE_URL: `postgres://a@127.0.0.1:${port}/a`, MQTT_URL: `mqtt://127.0.0.1:${port}` };
  const { running } = await testAcker(t, env, { wait: false });
  const begun = performance.now();
  await Promise.all([running.stop(), running.stop()]);
  assert.ok(performance.now() - begun < 10_000);
});

test("the log handler: a line, a processed row, an ack; a duplicate logs nothing", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const acker = await testAcker(t, { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_HANDLER: "log" });
  const client = await plainClient(t, broker.url);
  const message = { message_id: "m1", content: "line\nbreak" };
  await client.send("data/a", message);
  await client.hears("delivery/ack/m1");
  await client.send("data/a", message);
  await client.hears("delivery/ack/m1", 2);
  const lines = acker.log.filter((line) => line["msg"] === "message");
  assert.equal(lines.length, 1);
  assert.deepEqual(
    [lines[0]?.["message_id"], lines[0]?.["content"], lines[0]?.["bytes"]],
    ["m1", "line\\u000abreak", 10],
  );
  const rows = await sql(testPool(t, database.url), "select status, deliveries, lease_until from acker.inbox");
  assert.deepEqual(rows, [{ status: "processed", deliveries: 2, lease_until: null }]);
});

test("a handler that fails is asked again with the next delivery; one that refuses is not", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const calls: string[] = [];
  const handler: AfterHandler = {
    name: "moody",
    mode: "after",
    async handle({ content, attemptToken }) {
      calls.push(`${content} ${attemptToken}`);
      if (content === "bad") return { kind: "rejected", reason: "never\u0000", retryable: false };
      if (attemptToken === "1") throw new Error("not today");
      return { kind: "processed" };
    },
  };
  await testAcker(t, { DATABASE_URL: database.url, MQTT_URL: broker.url }, { handler });
  const client = await plainClient(t, broker.url);
  const send = (id: string, content: string, token: string) =>
    client.send("data/a", { message_id: id, content, attempt_token: token, retry_count: Number(token) - 1 });
  await send("m1", "good", "1");
  const failed = await client.hears("delivery/ack/m1");
  assert.deepEqual([failed["status"], failed["retryable"], failed["attempt_token"]], ["rejected", true, "1"]);
  assert.match(String(failed["reason"]), /not today/);
  await send("m1", "good", "2");
  assert.equal((await client.hears("delivery/ack/m1", 2))["status"], "processed");
  await send("m2", "bad", "1");
  assert.equal((await client.hears("delivery/ack/m2"))["retryable"], false);
  await send("m2", "bad", "2");
  const again = await client.hears("delivery/ack/m2", 2);
  assert.deepEqual([again["status"], again["retryable"], again["attempt_token"]], ["rejected", false, "2"]);
  assert.deepEqual(calls, ["good 1", "good 2", "bad 1"]);
});

// RUNS-1
test("a stop gives back what a handler has not finished; another acker takes it over immediately", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const hanging: AfterHandler = { name: "hanging", mode: "after", handle: () => new Promise(() => undefined) };
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const first = await testAcker(t, env, { handler: hanging });
  const client = await plainClient(t, broker.url);
  const pool = testPool(t, database.url);
  await client.send("data/a", { message_id: "m1", content: "x" });
  await until(async () => (await sql(pool, "select 1 from acker.inbox where lease_until > now()")).length === 1, 5_000);
  const begun = performance.now();
  await first.running.stop();
  assert.ok(performance.now() - begun < 10_000);
  assert.deepEqual(await sql(pool, "select status, lease_until, reason from acker.inbox"), [
    { status: "received", lease_until: null, reason: "given back" },
  ]);
  await testAcker(t, { ...env, ACKTOR_INSTANCE: "acker-2", ACKTOR_HANDLER: "log" });
  await client.send("data/a", { message_id: "m1", content: "x" });
  assert.equal((await client.hears("delivery/ack/m1"))["status"], "processed");
});

test("two ackers on one inbox: one row and one effect each, both answer", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const effects = new Map<string, number>();
  const handler: AfterHandler = {
    name: "counting",
    mode: "after",
    async handle({ messageId }) {
      effects.set(messageId, (effects.get(messageId) ?? 0) + 1);
      return { kind: "processed" };
    },
  };
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  await testAcker(t, { ...env, ACKTOR_INSTANCE: "a" }, { handler });
  await testAcker(t, { ...env, ACKTOR_INSTANCE: "b" }, { handler });
  const client = await plainClient(t, broker.url);
  const ids = Array.from({ length: 300 }, () => randomUUID());
  await Promise.all(ids.map((id) => client.send("data/a", { message_id: id, content: "x" })));
  for (const id of ids) await client.hears(`delivery/ack/${id}`, 1, 10_000);
  assert.equal(effects.size, 300);
  assert.ok([...effects.values()].every((times) => times === 1));
  const pool = testPool(t, database.url);
  const sum =
    "select count(*)::int as rows, sum(deliveries)::int as deliveries from acker.inbox where status = 'processed'";
  await until(async () => (await sql(pool, sum))[0]?.["deliveries"] === 600, 5_000, "both counted");
  assert.equal((await sql(pool, sum))[0]?.["rows"], 300);
});

test("killed and started again in mid-traffic: no ack without its row, all processed once, the will is said", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const env = {
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    ACKTOR_TOPICS: "data/#",
    ACKTOR_INSTANCE: "k",
    HTTP_PORT: String(await anyPort()),
  };
  const client = await plainClient(t, broker.url);
  const pool = testPool(t, database.url);
  const all: string[] = [];
  const open = new Set<string>();
  const stillOpen = (): number => {
    for (const id of open) if (client.on(`delivery/ack/${id}`).length > 0) open.delete(id);
    return open.size;
  };
  for (let round = 0; round < 3; round++) {
    const acker = await startService(t, "acker", env);
    await acker.ready();
    for (let i = 0; i < 500; i++) {
      const id = randomUUID();
      all.push(id);
      open.add(id);
    }
    const before = open.size;
    const sending = Promise.all([...open].map((id) => client.send("data/a", { message_id: id, content: id })));
    await until(() => stillOpen() < before, 15_000, "a first ack");
    await acker.kill();
    await sending;
    stillOpen();
    const acked = all.filter((id) => !open.has(id));
    const rows = await sql(pool, "select 1 from acker.inbox where message_id::text = any($1::text[])", [
      `{${acked.join(",")}}`,
    ]);
    assert.equal(rows.length, acked.length, "every ack has its row");
  }
  assert.ok(client.on("delivery/acker/k").some(({ text }) => text.includes('"lost"')));
  const last = await startService(t, "acker", env);
  await last.ready();
  for (const id of open) await client.send("data/a", { message_id: id, content: id });
  await until(() => stillOpen() === 0, 15_000, "all acked");
  const [row] = await sql(
    pool,
    "select count(*)::int as rows, count(*) filter (where status = 'processed')::int as done from acker.inbox",
  );
  assert.deepEqual(row, { rows: 1_500, done: 1_500 });
  assert.equal((await last.stop()).code, 0);
});

// ACKER-2
test("SIGTERM under load: exit 0 before the kill, what was taken is acked, presence is cleared", async (t) => {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const env = { DATABASE_URL: database.url, MQTT_URL: broker.url, ACKTOR_TOPICS: "data/#", ACKTOR_INSTANCE: "s" };
  const acker = await startService(t, "acker", env);
  await acker.ready();
  const client = await plainClient(t, broker.url);
  const ids = Array.from({ length: 3_000 }, () => randomUUID());
  const sending = Promise.all(ids.map((id) => client.send("data/a", { message_id: id, content: id })));
  await until(() => ids.some((id) => client.on(`delivery/ack/${id}`).length > 0), 10_000, "a first ack");
  const exit = await acker.stop();
  assert.equal(exit.code, 0, acker.output());
  await sending;
  const pool = testPool(t, database.url);
  const rows = (await sql(pool, "select message_id from acker.inbox")).map((row) => String(row["message_id"]));
  const answered = (): string[] => ids.filter((id) => client.on(`delivery/ack/${id}`).length > 0);
  await until(() => answered().length === rows.length, 5_000, "an ack for each row");
  assert.deepEqual(answered().sort(), rows.sort());
  assert.equal(client.on("delivery/acker/s").at(-1)?.text, "");
});

// ACKER-2
test("SIGTERM while PostgreSQL hangs: exit 0 before the kill, nothing acked that is not stored", async (t) => {
  const [broker, cluster] = await Promise.all([testBroker(t), startCluster(t)]);
  const env = { DATABASE_URL: cluster.url, MQTT_URL: broker.url, ACKTOR_TOPICS: "data/#", ACKTOR_INSTANCE: "h" };
  const acker = await startService(t, "acker", env);
  await acker.ready();
  const client = await plainClient(t, broker.url);
  const locker = testPool(t, cluster.url);
  // A lock that is never released stops every insert, as a server that hangs does.
  await locker.run("begin; lock table acker.inbox", [], { simple: true });
  for (let i = 0; i < 50; i++) await client.send("data/a", { message_id: `m${i}`, content: "x" });
  const exit = await acker.stop();
  assert.equal(exit.code, 0, acker.output());
  for (let i = 0; i < 50; i++) assert.equal(client.on(`delivery/ack/m${i}`).length, 0);
  assert.equal(client.on("delivery/acker/h").at(-1)?.text, "");
});

test("a configuration that cannot work: every fault at once, nothing is opened", async () => {
  const result = await startAcker({
    MQTT_URL: "http://x",
    ACKTOR_TOPICS: "data/#/x",
    HTTP_HOST: "0.0.0.0",
    ACKTOR_QUEUE: "many",
    ACKTOR_TOPIC: "typo",
  });
  assert.ok(!result.ok);
  const named = ["DATABASE_URL", "MQTT_URL", "ACKTOR_TOPICS", "ACKTOR_QUEUE", "ACKTOR_TOPIC "];
  for (const name of named)
    assert.ok(
      result.faults.some((fault) => fault.startsWith(name)),
      `${name}: ${result.faults}`,
    );
});

test("faults between settings: exposure, own prefixes, a group in the filter", async () => {
  const result = await startAcker({
    DATABASE_URL: "postgres://a@127.0.0.1/a",
    MQTT_URL: "mqtt://127.0.0.1",
    HTTP_HOST: "0.0.0.0",
    ACKTOR_TOPICS: "delivery/ack/#,$share/g/data/#",
    ACKTOR_PRESENCE_PREFIX: "delivery/ack/here",
  });
  assert.ok(!result.ok);
  assert.equal(result.faults.length, 4, result.faults.join("\n"));
});

test("a port that is taken is a fault that names it and the way out", async (t) => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const result = await startAcker(
    {
      DATABASE_URL: "postgres://a@127.0.0.1/a",
      MQTT_URL: "mqtt://127.0.0.1",
      ACKTOR_TOPICS: "#",
      HTTP_PORT: String(port),
    },
    { logStream: { write: () => undefined } },
  );
  assert.ok(!result.ok);
  assert.match(result.faults.join(), new RegExp(`HTTP_PORT ${port} is taken.*HTTP_PORT=`));
});
