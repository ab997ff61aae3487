/** A message in the caller's own transaction, from TypeScript: with postgres.js and with pg, and when the backend dies. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { EnqueueError, enqueue, fence } from "@acktor/shared/client";
import pg from "pg";
import postgres from "postgres";
import { cleanUp } from "../support/cleanup.ts";
import { testOutbox } from "../support/outbox.ts";

/** ACKTOR_TEST_KILLS sets another number; the long trial had 1,000. */
const KILLS = Number(process.env["ACKTOR_TEST_KILLS"] ?? 200);
/** So many show the ghosts of a transaction that is not fenced. */
const UNFENCED_KILLS = Math.min(60, KILLS);

const GHOSTS = `select count(*)::int4 n from publisher.message_delivery m
  where not exists (select from business b where b.label = m.payload)`;

async function setUp(t: Parameters<typeof testOutbox>[0]) {
  const outbox = await testOutbox(t, 18);
  await outbox.sql("create table business (label text)");
  const count = async (text: string): Promise<number> => (await outbox.sql<{ n: number }>(text))[0]?.n ?? -1;
  return { ...outbox, count };
}

test("SQL_ENQUEUE-1: postgres.js: the message is committed and rolled back with the transaction", async (t) => {
  const { url, sql: ask } = await setUp(t);
  const sql = postgres(url, { max: 2 });
  cleanUp(t, () => sql.end());
  const deliverAt = new Date(Date.now() + 60_000);
  const id = await sql.begin(async (tx) => {
    await fence(tx);
    await tx`insert into business values ('kept')`;
    await enqueue(tx, {
      topic: "t/1",
      content: "keyed",
      orderingKey: "k",
      ttlSeconds: 1.5,
      maxRetries: 4,
      holdSeconds: 60,
    });
    return enqueue(tx, {
      topic: "t/1",
      content: Uint8Array.of(0, 255),
      contentType: "image/x",
      qos: 2,
      retain: true,
      requiresAck: false,
      deliverAt,
    });
  });
  await assert.rejects(
    sql.begin(async (tx) => {
      await enqueue(await fence(tx), { topic: "t/1", content: "rolled back" });
      throw new Error("the caller thinks otherwise");
    }),
    /thinks otherwise/,
  );
  const rows = await ask(`select payload, content_encoding, content_type, qos, retain, requires_ack, max_retries,
    ordering_key, to_char(deliver_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') deliver_at, (ttl_ms)::int4 ttl_ms, hold_ms::int4 hold_ms from publisher.message_delivery order by seq`);
  assert.deepEqual(rows, [
    {
      payload: "keyed",
      content_encoding: "utf8",
      content_type: null,
      qos: 1,
      retain: false,
      requires_ack: true,
      max_retries: 4,
      ordering_key: "k",
      deliver_at: null,
      ttl_ms: 1_500,
      hold_ms: 60_000,
    },
    {
      payload: "AP8=",
      content_encoding: "base64",
      content_type: "image/x",
      qos: 2,
      retain: true,
      requires_ack: false,
      max_retries: null,
      ordering_key: null,
      deliver_at: deliverAt.toISOString(),
      ttl_ms: null,
      hold_ms: null,
    },
  ]);
  assert.match(id, /^[0-9a-f]{8}-/);
});

test("SQL_ENQUEUE-2, SQL_ENQUEUE-3: postgres.js: a transaction without its fence is rejected, a plain sql needs none; a bad field is named", async (t) => {
  const { url } = await setUp(t);
  const sql = postgres(url, { max: 2 });
  cleanUp(t, () => sql.end());
  await assert.rejects(
    sql.begin((tx) => enqueue(tx, { topic: "t/1", content: "x" })),
    (error) => error instanceof EnqueueError && error.code === "not_fenced",
  );
  assert.match(await enqueue(sql, { topic: "t/1", content: "x" }), /-/);
  await assert.rejects(enqueue(sql, { topic: "a/#", content: "x" }), { code: "22023", column_name: "topic" });
});

test("pg: the message commits with the transaction; a pool is rejected", async (t) => {
  const { url, sql: ask } = await setUp(t);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  cleanUp(t, () => pool.end());
  const client = await pool.connect();
  await client.query("begin");
  await enqueue(client, { topic: "t/1", content: "kept", orderingKey: "k" });
  await client.query("commit");
  await client.query("begin");
  await enqueue(client, { topic: "t/1", content: "gone" });
  await client.query("rollback");
  await assert.rejects(enqueue(client, { topic: "", content: "x" }), { code: "22023", column: "topic" });
  client.release();
  await assert.rejects(enqueue(pool as never, { topic: "t/1", content: "x" }), { code: "not_a_client" });
  assert.deepEqual(await ask("select payload from publisher.message_delivery"), [{ payload: "kept" }]);
});

test("without the fence a killed backend leaves messages of transactions that never committed", async (t) => {
  const { url, count } = await setUp(t);
  const { killed } = await kills(url, UNFENCED_KILLS, "plain");
  const ghosts = await count(GHOSTS);
  t.diagnostic(`${ghosts} ghosts of ${killed} killed`);
  assert.ok(ghosts > 0, "the ghosts that the fence is there for did not show");
});

for (const [kind, wanted] of [
  ["fenced", KILLS],
  ["pg", KILLS],
] as const) {
  test(`${wanted} backends killed in mid-transaction (${kind}): no ghost`, async (t) => {
    const { url, count } = await setUp(t);
    const outcomes = await kills(url, wanted, kind);
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.killed >= wanted);
    assert.equal(await count(GHOSTS), 0);
    assert.equal(await count("select count(*)::int4 n from publisher.message_delivery"), 0);
  });
}

interface Outcomes {
  readonly committed: number;
  readonly killed: number;
}

async function kills(url: string, count: number, kind: "fenced" | "plain" | "pg"): Promise<Outcomes> {
  const program = path.join(import.meta.dirname, "../support/kill-transactions.ts");
  const args = ["--import", "tsx", "--conditions=source", program, url, String(count), kind];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 180_000);
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  clearTimeout(timer);
  return JSON.parse(text) as Outcomes;
}
