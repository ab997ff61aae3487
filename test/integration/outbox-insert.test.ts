/** Messages in: all or nothing, idempotent, ordered; and publisher.enqueue inside the caller's own transaction. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { Inserted, NewMessage } from "@acktor/publisher/outbox/outbox";
import type { Pool } from "@acktor/shared/db/pool";
import { given, INSERT, message, messages, testOutbox, testPool } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

async function insert(pool: Pool, batch: readonly NewMessage[]): Promise<readonly Inserted[]> {
  const result = await insertMessages(pool, batch, INSERT);
  if (!result.ok) throw new Error(JSON.stringify(result));
  return result.inserted;
}

const keyed = (key: string, bodyHash = "h"): NewMessage => message({ idempotency: { key, bodyHash } });

for (const version of postgresVersions()) {
  test(`insert, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, url } = await testOutbox(t, version);

    await t.test("a row is what was given, born pending and due", async () => {
      const m = message({
        topic: "a/b",
        payload: 'ümläut "quoted", {braces}, back\\slash, 𝄞',
        contentType: "text/plain",
        qos: 2,
        maxRetries: 3,
        ttlMs: 60_000,
        traceparent: "00-1-2-03",
        tracestate: "congo=t61rcWkgMzE",
      });
      const [answer] = await insert(pool, [m]);
      assert.equal(answer?.kind, "inserted");
      const row = given(await getMessage(pool, m.messageId));
      assert.equal(row?.payload, m.payload);
      assert.deepEqual(
        [
          row?.topic,
          row?.content_type,
          row?.qos,
          row?.max_retries,
          row?.ttl_seconds,
          row?.traceparent,
          row?.tracestate,
          row?.state,
        ],
        ["a/b", "text/plain", 2, 3, 60, "00-1-2-03", "congo=t61rcWkgMzE", "pending"],
      );
      assert.equal(row?.retry_count, 0);
      assert.equal(row?.lease_owner, null);
      const [times] = await sql<{ due: boolean; ttl: number }>(
        "select due_at <= now() due, extract(epoch from expires_at - created_at)::float8 ttl from publisher.message_delivery where message_id = $1",
        [m.messageId],
      );
      assert.deepEqual(times, { due: true, ttl: 60 });
    });

    // INSERT-4
    await t.test("leased at birth only where order does not matter", async () => {
      const later = new Date(Date.now() + 3_600_000).toISOString();
      const batch = [
        message({ leased: true }),
        message({ leased: true, orderingKey: "k" }),
        message({ leased: true, retain: true }),
        message({ leased: true, deliverAt: later }),
      ];
      await insert(pool, batch);
      const rows = await sql<{ lease_owner: string | null; token: string }>(
        `select lease_owner, lease_token::text token from unnest('{${batch.map((m) => m.messageId)}}'::uuid[]) with ordinality i(id, n)
         join publisher.message_delivery on message_id = id order by n`,
      );
      assert.deepEqual(rows, [
        { lease_owner: "one", token: "1" },
        { lease_owner: null, token: "0" },
        { lease_owner: null, token: "0" },
        { lease_owner: null, token: "0" },
      ]);
      const [scheduled] = await sql(
        "select due_at = deliver_at due, deliver_at = $2::text::timestamptz asked from publisher.message_delivery where message_id = $1",
        [batch[3]?.messageId ?? "", later],
      );
      assert.deepEqual(scheduled, { due: true, asked: true });
    });

    // INSERT-2
    await t.test("seq follows the order given, keyed or not", async () => {
      const batch = messages(200, (at) => ({ topic: "seq", orderingKey: at % 3 === 0 ? `key ${at % 7}` : null }));
      await insert(pool, batch);
      const rows = await sql<{ message_id: string }>(
        "select message_id from publisher.message_delivery where topic = 'seq' order by seq",
      );
      assert.deepEqual(
        rows.map((r) => r.message_id),
        batch.map((m) => m.messageId),
      );
    });

    // INSERT-1
    await t.test("all or nothing: one bad row takes the batch back", async () => {
      const batch = [message({ topic: "whole/1" }), message({ topic: "whole/+" })];
      const result = await insertMessages(pool, batch, INSERT);
      assert.ok(!result.ok && "failure" in result);
      assert.equal(result.failure.constraint, "content_is_valid");
      assert.equal((await sql("select from publisher.message_delivery where topic = 'whole/1'")).length, 0);
    });

    // INSERT-3
    await t.test("the same batch again, after an answer that was lost, inserts nothing twice", async () => {
      const plain = messages(3, () => ({ topic: "again" }));
      const first = await insert(pool, plain);
      assert.deepEqual(
        await insert(pool, [...plain, message({ topic: "again" })]).then((rows) => rows.slice(0, 3)),
        first,
      );
      const withKey = [keyed("again-1"), message({ orderingKey: "again" })];
      await insert(pool, withKey);
      assert.deepEqual(
        (await insert(pool, withKey)).map((r) => r.kind),
        ["inserted", "inserted"],
      );
      assert.equal((await sql("select from publisher.message_delivery where topic = 'again'")).length, 4);
    });

    await t.test("idempotency: same body → same id; other body → conflict, and nothing is changed", async () => {
      const first = keyed("key-1");
      await insert(pool, [first]);
      const [, same] = await insert(pool, [message(), keyed("key-1")]);
      assert.deepEqual(same, { kind: "same", messageId: first.messageId, state: "pending" });
      const before = await sql<{ n: string }>("select count(*) n from publisher.message_delivery");
      const result = await insertMessages(pool, [message(), keyed("key-2"), keyed("key-1", "other")], INSERT);
      assert.deepEqual(result, { ok: false, conflict: { index: 2 } });
      assert.deepEqual(await sql("select count(*) n from publisher.message_delivery"), before);
      assert.equal((await sql("select from publisher.idempotency where key = 'key-2'")).length, 0);
    });

    await t.test("idempotency within one batch", async () => {
      const batch = [keyed("twice"), message(), keyed("twice")];
      const rows = await insert(pool, batch);
      assert.deepEqual(
        rows.map((r) => r.kind),
        ["inserted", "inserted", "same"],
      );
      assert.equal(rows[2]?.messageId, batch[0]?.messageId);
      const conflict = await insertMessages(pool, [message(), keyed("thrice"), keyed("thrice", "other")], INSERT);
      assert.deepEqual(conflict, { ok: false, conflict: { index: 2 } });
    });

    await t.test("a key whose time is over is free again", async () => {
      const old = keyed("old");
      await insert(pool, [old]);
      await sql("update publisher.idempotency set expires_at = now() - interval '1 second' where key = 'old'");
      const next = keyed("old", "other");
      assert.deepEqual(
        (await insert(pool, [next])).map((r) => r.messageId),
        [next.messageId],
      );
    });

    await t.test("a key holds as long as the TTL when that is longer", async () => {
      await insert(pool, [message({ ttlMs: 7 * 86_400_000, idempotency: { key: "long", bodyHash: "h" } })]);
      const [row] = await sql(
        "select round(extract(epoch from expires_at - now()) / 86400)::int4 days from publisher.idempotency where key = 'long'",
      );
      assert.deepEqual(row, { days: 7 });
    });

    await t.test("a race on the same keys: one message each, both callers get its id", async () => {
      const other = testPool(t, url);
      for (let round = 0; round < 10; round++) {
        const batch = (): NewMessage[] => Array.from({ length: 50 }, (_, at) => keyed(`race-${round}-${at}`));
        const mixed = batch().reverse();
        const [a, b] = await Promise.all([insert(pool, batch()), insert(other, mixed)]);
        assert.deepEqual(
          a.map((r) => r.messageId),
          b.map((r) => r.messageId).reverse(),
        );
        for (const [at, row] of a.entries()) assert.notEqual(row.kind === "inserted", b[49 - at]?.kind === "inserted");
      }
      const [count] = await sql(
        "select count(*)::int4 n from publisher.message_delivery m join publisher.idempotency i using (message_id) where key like 'race-%'",
      );
      assert.deepEqual(count, { n: 500 });
    });

    await t.test("an answer from the database that cannot be had is a value", async () => {
      const gone = testPool(t, "postgres://nobody@127.0.0.1:1/none");
      const result = await insertMessages(gone, [message()], { ...INSERT, deadlineMs: 1_000 });
      assert.ok(!result.ok && "failure" in result && result.failure.kind === "unavailable");
    });

    await t.test("nothing is inserted for nothing", async () => {
      assert.deepEqual(await insertMessages(pool, [], INSERT), { ok: true, inserted: [] });
    });
  });
}
