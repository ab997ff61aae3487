/**
 * Strangers against the HTTP server: no token, slow senders, bombs, pollution, SQL, forged log lines.
 *
 * Runs alone: it measures how long an honest request takes.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { sql, testAcker, testBroker, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const TOKEN = "the token of the operators";
const SLOW = 300;

async function setScene(t: TestContext, env: Record<string, string> = {}) {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, { ...common, ...env });
  return { publisher, common, pool: testPool(t, database.url) };
}

test("console and API without a token: 401, no stack trace; attempts at commands are in the audit", async (t) => {
  const { publisher } = await setScene(t, { ACKTOR_API_TOKEN: TOKEN });
  const refused: [string, string][] = [
    ["GET", "/v1/status"],
    ["GET", "/v1/stats"],
    ["GET", "/v1/machines"],
    ["GET", "/v1/events"],
    ["GET", "/v1/messages"],
    ["GET", `/v1/messages/${randomUUID()}`],
    ["POST", "/v1/messages"],
    ["POST", "/v1/link/disconnect"],
    ["POST", "/v1/dead-letters/replay"],
    ["GET", "/%761/status"],
    ["GET", "/v1/nowhere"],
  ];
  for (const [method, route] of refused) {
    for (const authorization of ["", "Bearer wrong", `Basic ${btoa(`a:${TOKEN}`)}`, `Bearer ${TOKEN} `.repeat(2)]) {
      const { status, text } = await publisher.ask(method, route, method === "POST" ? {} : undefined, {
        authorization,
      });
      assert.equal(status, 401, `${method} ${route}`);
      assert.doesNotMatch(text, /\n\s+at |node_modules|\.ts:/);
    }
  }
  const audit = await until(
    async () => {
      const { text } = await publisher.ask("GET", "/v1/audit");
      return text.includes("unauthorized") && text;
    },
    5_000,
    "the audit",
  );
  assert.ok(!audit.includes(TOKEN));
});

test(`${SLOW} slow senders delay no other caller, and are disconnected`, async (t) => {
  const { publisher } = await setScene(t);
  const { hostname, port } = new URL(publisher.url);
  let closed = 0;
  const sockets = Array.from({ length: SLOW }, (_, i) => {
    const socket = net.connect(Number(port), hostname);
    cleanUp(t, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => closed++);
    socket.resume();
    // Half of them are slow with their headers, half with their body.
    const head =
      "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n";
    socket.write(i % 2 === 0 ? head : `${head}\r\n{"topic":`);
    return socket;
  });
  const drip = setInterval(() => {
    for (const [i, socket] of sockets.entries()) if (!socket.destroyed) socket.write(i % 2 === 0 ? "x" : " ");
  }, 250);
  cleanUp(t, () => clearInterval(drip));
  const startedAt = performance.now();
  const times: number[] = [];
  while (closed < SLOW) {
    const askedAt = performance.now();
    await publisher.send({ topic: "data/1", content: "x" });
    times.push(performance.now() - askedAt);
    assert.ok(performance.now() - startedAt < 60_000, `${SLOW - closed} slow senders are still there`);
  }
  times.sort((one, other) => one - other);
  const slowestMs = times.at(-1) ?? 0;
  const usualMs = times[Math.floor(times.length * 0.9)] ?? 0;
  t.diagnostic(
    `slowest honest request ${Math.round(slowestMs)} ms, nine of ten within ${Math.round(usualMs)} ms, all sent away after ${Math.round(performance.now() - startedAt)} ms`,
  );
  assert.ok(usualMs < 2_000, `of ten honest requests one took ${usualMs} ms`);
});

test("payload bombs are refused, and the next request is served", async (t) => {
  const { publisher } = await setScene(t);
  const bombs: [unknown, number][] = [
    [`{"topic":"a","content":"${"x".repeat(9 * 1024 * 1024)}"}`, 413],
    [{ topic: "a", content: "x".repeat(300_000) }, 413],
    [`{"topic":"a","content":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, 400],
    ["[".repeat(2_000_000), 400],
    [{ messages: Array.from({ length: 10_001 }, () => ({ topic: "a", content: "x" })) }, 400],
    [{ topic: `a${"/a".repeat(200)}`, content: "x" }, 400],
  ];
  for (const [body, status] of bombs) {
    const route =
      typeof body === "object" && body !== null && "messages" in body ? "/v1/messages/batch" : "/v1/messages";
    const answer = await publisher.ask("POST", route, body);
    assert.equal(answer.status, status, answer.text.slice(0, 200));
  }
  await publisher.send({ topic: "a", content: "x" });
});

test("no input pollutes a prototype", async (t) => {
  const { publisher } = await setScene(t);
  for (const body of [
    '{"topic":"a","content":"x","__proto__":{"polluted":1}}',
    '{"topic":"a","content":"x","constructor":{"prototype":{"polluted":1}}}',
    '{"__proto__":{"topic":"a","content":"x"}}',
  ]) {
    assert.equal((await publisher.ask("POST", "/v1/messages", body)).status, 400, body);
  }
  const [batch] = [await publisher.ask("POST", "/v1/messages/batch", '{"messages":[{"__proto__":{"topic":"a"}}]}')];
  assert.equal(batch?.status, 400);
  for (const query of ["__proto__[polluted]=1", "constructor[prototype][polluted]=1", "__proto__=1"]) {
    assert.equal((await publisher.ask("GET", `/v1/messages?${query}`)).status, 400, query);
  }
  assert.equal((await publisher.ask("POST", "/v1/link/reset", '{"__proto__":{"who":"x"}}')).status, 400);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

const SQL = `'"; drop table publisher.message_delivery cascade; -- $1 \\ {a,"b"} %s`;

test("SQL in every field is text: stored and sent unchanged, and the tables still exist", async (t) => {
  const { publisher, pool, common } = await setScene(t);
  await testAcker(t, { ...common, ACKTOR_TOPICS: "#" });
  const topic = `data/${SQL.replaceAll("%", "")}`;
  const body = { topic, content: SQL, content_type: SQL, ordering_key: SQL };
  const accepted = await publisher.ask("POST", "/v1/messages", body, { "idempotency-key": SQL });
  assert.equal(accepted.status, 201, accepted.text);
  const id = String(accepted.json["message_id"]);
  await until(async () => (await publisher.state(id)) === "acknowledged", 15_000, "the message to be acknowledged");
  const [row] = await sql(pool, "select topic, payload, content_type, ordering_key from publisher.message_delivery");
  assert.deepEqual(row, { topic, payload: SQL, content_type: SQL, ordering_key: SQL });
  const [inbox] = await sql(pool, "select topic, content from acker.inbox");
  assert.deepEqual(inbox, { topic, content: SQL });

  const text = encodeURIComponent(SQL);
  const asked: [string, string, unknown?][] = [
    ["GET", `/v1/messages?topic=${encodeURIComponent(topic)}`],
    ["GET", `/v1/messages?topic=${text}`],
    ["GET", `/v1/messages?state=${text}`],
    ["GET", `/v1/messages?before=${text}`],
    ["GET", `/v1/messages?limit=${text}`],
    ["GET", `/v1/messages/${text}`],
    ["GET", `/v1/audit?limit=${text}`],
    ["POST", `/v1/messages/${text}/cancel`, { who: SQL }],
    ["POST", `/v1/messages/${id}/cancel`, { who: SQL }],
    ["POST", `/v1/messages/${id}/replay`, { who: SQL }],
    ["POST", `/v1/messages/${id}/acknowledge`, { who: SQL, client_id: SQL }],
    ["POST", "/v1/dead-letters/replay", { reason: SQL, topic: SQL, who: SQL }],
    ["POST", `/v1/link/reset?instance=${text}`, { who: SQL }],
  ];
  for (const [method, route, sent] of asked) {
    const { status, text: said } = await publisher.ask(method, route, sent);
    assert.ok(status < 500 || status === 504, `${method} ${route}: ${status} ${said}`);
  }
  assert.equal((await sql(pool, "select count(*)::int4 n from publisher.message_delivery"))[0]?.["n"], 1);
});

test("topics that would reach other receivers, or forge an ack through the API, are refused", async (t) => {
  const { publisher } = await setScene(t);
  const topics = [
    "a/#",
    "+/b",
    "$SYS/broker",
    "a\u0000b",
    "a\nb",
    "",
    "delivery/ack",
    "delivery/ack/x",
    "delivery/acker/x",
  ];
  for (const topic of topics) {
    const { status } = await publisher.ask("POST", "/v1/messages", { topic, content: "x" });
    assert.equal(status, 400, JSON.stringify(topic));
  }
});

test("no caller writes a line of the log: every line is JSON, without control characters", async (t) => {
  const { publisher, common } = await setScene(t, { ACKTOR_API_TOKEN: TOKEN, LOG_LEVEL: "debug" });
  const forged = '\n{"level":"info","msg":"forged"}\r\n\u001b[31mforged';
  const encoded = encodeURIComponent(forged);
  await publisher.ask("GET", `/v1/${encoded}`);
  await publisher.ask("GET", `/v1/messages/${encoded}`);
  await publisher.ask("POST", "/v1/link/reset", { who: forged });
  await publisher.ask("POST", "/v1/link/disconnect", {}, { authorization: "Bearer no" });
  const stranger = await startSpy(t, common.MQTT_URL, []);
  await stranger.publish("delivery/ack/x\u001b[31m", forged);
  await until(() => publisher.log.some((line) => line.includes("an ack was ignored")), 5_000, "the complaint");
  assert.ok(publisher.log.length > 2);
  for (const line of publisher.log) {
    assert.match(line, /^\{.*\}\n$/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f]/);
    assert.notEqual((JSON.parse(line) as { msg: string }).msg, "forged");
  }
});
