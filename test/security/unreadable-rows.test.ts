/**
 * Rows that cannot be read, leased or written, regardless of their origin: they are marked failed with `unreadable: …`, or are
 * passed over, and other rows are not delayed.
 */
import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { PostgresOutbox } from "@acktor/publisher/outbox/postgres-outbox";
import type { Pool } from "@acktor/shared/db/pool";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { testAcker, testBroker } from "../support/acker.ts";
import { ack, INSERT, message, messages, rowsOf, testPool } from "../support/outbox.ts";
import { type PostgresVersion, postgresVersions, startCluster, testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const QUICK = { ACKTOR_POLL: "100ms" };
const HEALTHY = 20;

interface World {
  readonly url: string;
  readonly pool: Pool;
  sql<Row = Record<string, unknown>>(text: string): Promise<readonly Row[]>;
}

async function world(t: TestContext, url: string): Promise<World> {
  const pool = testPool(t, url);
  const migrated = await migrateOutbox(pool);
  assert.ok(migrated.ok);
  return { url, pool, sql: async (text) => rowsOf(await pool.run(text, [], { simple: true })) };
}

async function insert(pool: Pool, rows: readonly NewMessage[]): Promise<void> {
  const inserted = await insertMessages(pool, rows, INSERT);
  assert.ok(inserted.ok);
}

/** Writes to rows like a restore or a repair: without triggers. */
function around({ sql }: World, change: string): Promise<unknown> {
  return sql(`set session_replication_role = replica; ${change}; set session_replication_role = default`);
}

async function start(t: TestContext, { url }: World): Promise<TestPublisher> {
  const broker = await testBroker(t);
  await testAcker(t, { DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_TOPICS: "plant/#,state/#" });
  const publisher = await testPublisher(t, { DATABASE_URL: url, MQTT_URL: broker.url, ...QUICK });
  t.after(() => {
    if (!(t as TestContext & { readonly passed: boolean }).passed)
      t.diagnostic(publisher.log.join("").slice(0, 20_000));
  });
  return publisher;
}

async function acknowledged({ sql }: World, ids: readonly string[], timeoutMs = 30_000): Promise<void> {
  const list = ids.map((id) => `'${id}'`).join(",");
  await until(
    async () => {
      const rows = await sql<{ state: string }>(
        `select state from publisher.message_delivery where message_id in (${list})`,
      );
      return rows.length === ids.length && rows.every(({ state }) => state === "acknowledged");
    },
    timeoutMs,
    "the healthy rows to be acknowledged",
  );
}

async function stateOf({ sql }: World, id: string | undefined): Promise<string> {
  const [row] = await sql<{ state: string }>(`select state from publisher.message_delivery where message_id = '${id}'`);
  return row?.state ?? "gone";
}

async function failedAs({ sql }: World, id: string, reason: RegExp): Promise<void> {
  const look = (): Promise<readonly { state: string; reason: string }[]> =>
    sql(`select state, reason from publisher.message_delivery where message_id = '${id}'`);
  await until(async () => (await look())[0]?.state === "failed", 20_000, "the bad row to be marked failed");
  assert.match((await look())[0]?.reason ?? "", reason);
}

const ids = (rows: readonly NewMessage[]): string[] => rows.map(({ messageId }) => messageId);
const said = (publisher: TestPublisher, text: string): boolean => publisher.log.some((line) => line.includes(text));

/** One test, once with each PostgreSQL that is installed. */
const eachVersion = {
  test(name: string, work: (t: TestContext, version: PostgresVersion) => Promise<void>): void {
    test(name, async (t) => {
      for (const version of postgresVersions()) await t.test(`PostgreSQL ${version}`, (one) => work(one, version));
    });
  },
};

eachVersion.test(
  "lease_token at its limit: the row ends unreadable, plain, retried, keyed and retained rows flow",
  async (t, version) => {
    const w = await world(t, (await testDatabase(t, { version })).url);
    const bad = [message(), message({ orderingKey: "lane" }), message({ retain: true, topic: "state/1" })];
    const good = [
      ...messages(HEALTHY),
      ...messages(3, () => ({ orderingKey: "lane" })),
      ...messages(3, (at) => ({ orderingKey: `k${at}` })),
      message({ retain: true, topic: "state/1" }),
      message({ retain: true, topic: "state/2" }),
    ];
    await insert(w.pool, [...bad, ...good]);
    await around(
      w,
      `update publisher.message_delivery set lease_token = 9223372036854775807 where message_id in (${ids(bad)
        .map((id) => `'${id}'`)
        .join(",")})`,
    );
    const retried = good.slice(0, 5);
    await around(
      w,
      `update publisher.message_delivery set attempts = 2, state = 'sent', lease_token = 2, sent_token = 2, last_outcome = 'acked', sent_at = now() where message_id in (${ids(
        retried,
      )
        .map((id) => `'${id}'`)
        .join(",")})`,
    );
    const publisher = await start(t, w);
    await acknowledged(w, ids(good));
    for (const { messageId, retain } of bad) {
      await failedAs(w, messageId, retain ? /^(unreadable: 22003 |superseded)/ : /^unreadable: 22003 /);
    }
    assert.ok(said(publisher, "22003") && said(publisher, "remedy"), "it is logged with SQLSTATE and remedy");
    const { text } = await publisher.ask("GET", "/metrics");
    assert.match(text, /acktor_failures_total\{area="claim",code="22003"\} [1-9]/);
    await until(async () => (await publisher.ask("GET", "/readyz")).json["status"] === "ok", 15_000, "readyz ok");
  },
);

eachVersion.test(
  "times that are not finite: delivered or expired, the publisher lives, its pages answer",
  async (t, version) => {
    const w = await world(t, (await testDatabase(t, { version })).url);
    const [born, ancient, endless, over, dueLongAgo] = messages(5).map(({ messageId }) => messageId);
    const odd = messages(5).map((row, at) => ({
      ...row,
      messageId: [born, ancient, endless, over, dueLongAgo][at] ?? "",
    }));
    const good = messages(HEALTHY);
    await insert(w.pool, [...odd, ...good]);
    await around(w, `update publisher.message_delivery set created_at = 'infinity' where message_id = '${born}'`);
    await around(w, `update publisher.message_delivery set created_at = '-infinity' where message_id = '${ancient}'`);
    await around(w, `update publisher.message_delivery set expires_at = 'infinity' where message_id = '${endless}'`);
    await around(w, `update publisher.message_delivery set expires_at = '-infinity' where message_id = '${over}'`);
    await around(w, `update publisher.message_delivery set due_at = '-infinity' where message_id = '${dueLongAgo}'`);
    const publisher = await start(t, w);
    await acknowledged(w, [...ids(good), born ?? "", ancient ?? "", endless ?? "", dueLongAgo ?? ""]);
    for (const page of ["/v1/status", "/v1/overview", "/v1/messages?limit=50", `/v1/messages/${born}`, "/metrics"]) {
      assert.equal((await publisher.ask("GET", page)).status, 200, page);
    }
  },
);

test("POSTGRES_OUTBOX-2: a row with counters and numbers at their limits fails or is delivered; no other row stops", async (t) => {
  const w = await world(t, (await testDatabase(t)).url);
  const odd = messages(4);
  const good = messages(HEALTHY);
  await insert(w.pool, [...odd, ...good]);
  const [attempts, qos, topic, seq] = ids(odd);
  // Without a receiver: its attempt is recorded, which counts one more.
  await around(
    w,
    `update publisher.message_delivery set attempts = 2147483647, topic = 'nowhere/1' where message_id = '${attempts}'`,
  );
  await around(w, `update publisher.message_delivery set qos = 7 where message_id = '${qos}'`);
  await around(
    w,
    `update publisher.message_delivery set due_at = now() + interval '1 day' where message_id = '${topic}'`,
  );
  await around(w, `update publisher.message_delivery set seq = 9223372036854775807 where message_id = '${seq}'`);
  const publisher = await start(t, w);
  await acknowledged(w, [...ids(good), seq ?? ""]);
  const live = async (): Promise<number> =>
    (await w.sql("select from publisher.message_delivery where due_at is not null")).length;
  await until(async () => (await live()) === 1, 20_000, "no other row to stay live");
  // At a wildcard the broker hangs up. A conviction needs another message that passes: QUARANTINE-5.
  await around(w, `update publisher.message_delivery set topic = 'a/#', due_at = now() where message_id = '${topic}'`);
  const passing = setInterval(
    () => void publisher.ask("POST", "/v1/messages", { topic: "plant/1", content: "x" }).catch(() => undefined),
    500,
  );
  t.after(() => clearInterval(passing));
  await until(async () => /^failed/.test(await stateOf(w, topic)), 60_000, "the wildcard to be convicted");
  clearInterval(passing);
  await until(async () => (await live()) === 0, 20_000, "no row to stay live");
  const ends = await w.sql<{ id: string; state: string; reason: string | null }>(
    "select message_id::text id, state, reason from publisher.message_delivery order by message_id",
  );
  const endOf = (id: string | undefined): string => {
    const row = ends.find((one) => one.id === id);
    return `${row?.state} ${row?.reason}`;
  };
  assert.match(endOf(attempts), /^failed unreadable: 22003 /);
  assert.equal(endOf(qos), "failed qos_unsupported");
  assert.match(endOf(topic), /^failed quarantined: /);
});

// CLAIM_APART-1
test("a row of which every write fails is passed over: the other rows of its lane and of other lanes are delivered, readyz names the row", async (t) => {
  const w = await world(t, (await testDatabase(t)).url);
  const bad = [message({ orderingKey: "lane" }), message()];
  const good = [...messages(HEALTHY), ...messages(3, () => ({ orderingKey: "lane" }))];
  await insert(w.pool, [...bad, ...good]);
  await w.sql(`create function raise_damage() returns trigger language plpgsql as
    $$ begin raise exception 'missing chunk number 0' using errcode = 'XX001'; end $$`);
  await w.sql(`create trigger damage before update on publisher.message_delivery for each row
    when (old.message_id in (${ids(bad)
      .map((id) => `'${id}'`)
      .join(",")})) execute function raise_damage()`);
  const publisher = await start(t, w);
  await acknowledged(w, ids(good));
  const later = await publisher.send({ topic: "plant/2", content: "x", ordering_key: "lane" });
  await acknowledged(w, [later]);
  await until(
    async () => {
      const { status, json } = await publisher.ask("GET", "/readyz");
      return status === 200 && json["status"] === "degraded" && JSON.stringify(json).includes("XX001");
    },
    20_000,
    "readyz to be degraded",
  );
  const overview = (await publisher.ask("GET", "/v1/overview")).json as { warnings: { code: string; area?: string }[] };
  assert.ok(overview.warnings.some(({ code, area }) => code === "failing" && area === "unreadable"));
});

test("a damaged content (XX001, the file's own bytes): that row fails as unreadable, 20 others are acknowledged", async (t) => {
  const cluster = await startCluster(t);
  const w = await world(t, cluster.url);
  const large = "ab".repeat(60_000);
  const bad = message({ payload: large });
  const good = messages(HEALTHY);
  // Stored uncompressed, outside of the row, in its own pages.
  await w.sql("alter table publisher.message_delivery alter column payload set storage external");
  await insert(w.pool, [bad, ...good]);
  const damaged = await toastOf(w, bad.messageId);
  await w.sql("checkpoint");
  await cluster.stop();
  await overwrite(join(cluster.dataDir, "data", damaged));
  await cluster.start();
  const publisher = await start(t, w);
  await acknowledged(w, ids(good));
  await failedAs(w, bad.messageId, /^unreadable: XX001 /);
  const one = await publisher.ask("GET", `/v1/messages/${bad.messageId}`);
  assert.equal(one.status, 500);
  assert.match(one.text, /XX001/);
  assert.equal((await publisher.ask("GET", `/v1/messages/${good[0]?.messageId}`)).status, 200);
});

/** The file that holds a row's content, below the data directory. */
async function toastOf({ sql }: World, id: string): Promise<string> {
  const [file] = await sql<{ path: string }>(
    `select pg_relation_filepath(c.reltoastrelid) path from pg_class c
     where c.oid = (select tableoid from publisher.message_delivery where message_id = '${id}')`,
  );
  return file?.path ?? "";
}

async function overwrite(path: string): Promise<void> {
  const file = await open(path, "r+");
  const { size } = await file.stat();
  assert.ok(size > 0, "the content is on disk");
  for (let at = 0; at < size; at += 8_192) await file.write(Buffer.alloc(512, 0x5a), 0, 512, at + 4_096);
  await file.close();
}

test("POSTGRES_OUTBOX-1: one ack that cannot be settled does not affect the others of its batch", async (t) => {
  const w = await world(t, (await testDatabase(t)).url);
  const rows = messages(50);
  await insert(w.pool, rows);
  await w.sql(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`);
  await w.sql(`create trigger refuse before update on publisher.message_delivery for each row
    when (old.message_id = '${rows[7]?.messageId}') execute function refuse()`);
  const given: string[] = [];
  const outbox = new PostgresOutbox({
    ...{ pool: w.pool, owner: "one", clock: SYSTEM_CLOCK },
    ...{ leaseMs: 15_000, idempotencyWindowMs: 60_000, retentionMs: 86_400_000 },
    troubles: {
      note: () => undefined,
      clear: () => undefined,
      report: (_, result) => result,
      gaveUp: (area, { code }) => void given.push(`${area} ${code}`),
    },
    failedMessages: { failed: () => undefined },
  });
  const settled = rowsOf(await outbox.settle(rows.map(({ messageId }) => ack(messageId))));
  assert.equal(settled.length, 49);
  assert.deepEqual(given, ["settle P0001"]);
});

// DUE_PAGES-1
test("a damaged page of the table: its rows wait, those of other pages are acknowledged, readyz names XX001", async (t) => {
  const cluster = await startCluster(t);
  const w = await world(t, cluster.url);
  const fill = (): Partial<NewMessage> => ({ payload: "x".repeat(700) });
  const lost = messages(4, fill);
  await insert(w.pool, lost);
  const between = messages(20, fill);
  await insert(w.pool, between);
  const good = [...messages(HEALTHY), message({ orderingKey: "lane" })];
  await insert(w.pool, good);
  const [page] = await w.sql<{ path: string; pages: number }>(
    `select pg_relation_filepath(tableoid) path, (pg_relation_size(tableoid) / 8192)::int4 pages
     from publisher.message_delivery where message_id = '${lost[0]?.messageId}'`,
  );
  assert.ok((page?.pages ?? 0) > 3);
  const onFirst = await w.sql<{ id: string }>(
    "select message_id::text id from publisher.message_delivery where ctid < '(1,0)'",
  );
  await w.sql("checkpoint");
  await cluster.stop();
  const file = await open(join(cluster.dataDir, "data", page?.path ?? ""), "r+");
  await file.write(Buffer.alloc(8_000, 0x5a), 0, 8_000, 100);
  await file.close();
  await cluster.start();
  const publisher = await start(t, w);
  const damaged = new Set(onFirst.map(({ id }) => id));
  const whole = ids([...lost, ...between, ...good]).filter((id) => !damaged.has(id));
  assert.ok(damaged.size > 0 && whole.length > HEALTHY);
  await Promise.all(whole.map((id) => until(async () => (await publisher.state(id)) === "acknowledged", 30_000, id)));
  await until(async () => (await publisher.ask("GET", "/readyz")).text.includes("XX001"), 20_000, "readyz to name it");
  assert.equal((await publisher.ask("GET", "/readyz")).status, 200);
});
