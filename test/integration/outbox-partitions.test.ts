/** Days of the outbox: made ahead, dropped behind, stragglers between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { classifyAcks } from "@acktor/publisher/outbox/classify-acks";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { deleteStragglers, dropOldPartitions, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { readStats } from "@acktor/publisher/outbox/read-stats";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { v7 as uuidv7 } from "uuid";
import { ack, given, INSERT, message, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

const DAY_MS = 86_400_000;
const daysAgo = (days: number): string => uuidv7({ msecs: Date.now() - days * DAY_MS });
const dayOf = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

for (const version of postgresVersions()) {
  test(`partitions, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, url } = await testOutbox(t, version);
    const days = async (): Promise<unknown[]> =>
      (await sql("select publisher.partition_days()::text d order by 1")).map((row) => row["d"]);
    const partitionOf = async (id: string): Promise<unknown> =>
      (
        await sql("select tableoid::regclass::text part from publisher.message_delivery where message_id = $1", [id])
      )[0]?.["part"];

    await t.test(
      "yesterday to three days ahead are there after the migration; making them again does nothing",
      async () => {
        assert.deepEqual(await days(), [1, 0, -1, -2, -3].map(dayOf));
        assert.deepEqual(given(await ensurePartitions(pool)), { done: [], waiting: [], full: [] });
        const id = uuidv7();
        assert.ok((await insertMessages(pool, [message({ messageId: id })], INSERT)).ok);
        assert.equal(await partitionOf(id), `publisher.message_delivery_${dayOf(0).replaceAll("-", "")}`);
      },
    );

    await t.test("a partition is like its parent: fillfactor, indexes, guards", async () => {
      const part = `publisher.message_delivery_${dayOf(-1).replaceAll("-", "")}`;
      const [row] = await sql(
        `select array_to_string(c.reloptions, ' ') options, (select count(*)::int4 from pg_index where indrelid = c.oid) indexes,
         (select count(*)::int4 from pg_index where indrelid = 'publisher.message_delivery'::regclass) parents,
         (select count(*)::int4 from pg_trigger where tgrelid = c.oid) triggers from pg_class c where oid = $1::text::regclass`,
        [part],
      );
      assert.match(String(row?.["options"]), /fillfactor=50/);
      assert.deepEqual([row?.["indexes"], row?.["triggers"]], [row?.["parents"], 5]);
    });

    await t.test("rows of a day without a partition wait in the default one, and move when it is made", async () => {
      const id = daysAgo(-4.5);
      const early = message({ messageId: id, retain: true, topic: "early" });
      assert.ok((await insertMessages(pool, [early], INSERT)).ok);
      await settleAcks(pool, [ack(id)]);
      assert.equal(await partitionOf(id), "publisher.message_delivery_default");
      await sql("select publisher.create_partition($1::text::date)", [dayOf(-4.5)]);
      assert.equal(await partitionOf(id), `publisher.message_delivery_${dayOf(-4.5).replaceAll("-", "")}`);
      const row = given(await getMessage(pool, id));
      assert.deepEqual([row?.state, row?.acks.length, row?.topic], ["acknowledged", 1, "early"]);
    });

    await t.test(
      "old days are dropped without live rows only; keys keep the end of their rows; the totals stay",
      async () => {
        for (const ago of [10, 11]) await sql("select publisher.create_partition($1::text::date)", [dayOf(ago)]);
        const done = daysAgo(10);
        const failed = daysAgo(10);
        const live = daysAgo(11);
        const key = { key: "k", bodyHash: "h" };
        const rows = [
          message({ messageId: done, idempotency: key }),
          message({ messageId: failed }),
          message({ messageId: live }),
        ];
        assert.ok((await insertMessages(pool, rows, INSERT)).ok);
        await settleAcks(pool, [ack(done)]);
        await sql("update publisher.message_delivery set state = 'failed', due_at = null where message_id = $1", [
          failed,
        ]);
        const before = given(await readStats(pool));
        assert.deepEqual(given(await dropOldPartitions(pool, 7 * DAY_MS)), {
          done: [dayOf(10)],
          waiting: [],
          full: [dayOf(11)],
        });
        assert.equal(given(await getMessage(pool, done)), null);
        assert.ok(given(await getMessage(pool, live)));
        assert.deepEqual(given(await readStats(pool)), before);
        const again = await insertMessages(pool, [message({ idempotency: key })], INSERT);
        assert.deepEqual(again.ok && again.inserted, [{ kind: "same", messageId: done, state: "acknowledged" }]);
        const leftover = await sql("select relname from pg_class where relname like $1", [
          `%${dayOf(10).replaceAll("-", "")}%`,
        ]);
        assert.deepEqual(leftover, []);
      },
    );

    // PARTITION-1
    await t.test("traffic is not held up by a drop or a new day that cannot get its lock", async (s) => {
      const { default: postgres } = await import("postgres");
      const reader = postgres(url, { max: 1 });
      s.after(() => reader.end({ timeout: 1 }));
      await sql("update publisher.message_delivery set state = 'failed', due_at = null where due_at is not null");
      await reader`begin isolation level repeatable read`;
      await reader`select count(*) from publisher.message_delivery`;
      const startedAt = performance.now();
      const [dropped, inserted] = await Promise.all([
        dropOldPartitions(pool, 7 * DAY_MS),
        insertMessages(pool, [message()], INSERT),
      ]);
      assert.deepEqual(given(dropped), { done: [], waiting: [dayOf(11)], full: [] });
      assert.ok(inserted.ok);
      assert.ok(performance.now() - startedAt < 5_000);
      await reader`commit`;
      assert.deepEqual(given(await dropOldPartitions(pool, 7 * DAY_MS)).done, [dayOf(11)]);
    });

    await t.test("finished stragglers leave the default partition in batches, live and young ones stay", async () => {
      const old = [daysAgo(20), daysAgo(21), daysAgo(22)];
      const young = daysAgo(-6);
      assert.ok(
        (
          await insertMessages(
            pool,
            [...old, young].map((messageId) => message({ messageId })),
            INSERT,
          )
        ).ok,
      );
      await settleAcks(pool, [ack(old[0] ?? ""), ack(old[1] ?? ""), ack(young)]);
      await classifyAcks(
        pool,
        [old[0] ?? "", young].map((id) => ({ ...ack(id), clientId: "another" })),
      );
      assert.deepEqual(given(await deleteStragglers(pool, 7 * DAY_MS)), { deleted: 2, more: false });
      const left = await sql<{ message_id: string }>(
        "select message_id from publisher.message_delivery_default order by 1",
      );
      assert.deepEqual(
        left.map((row) => row.message_id),
        [old[2], young],
      );
      assert.equal((await sql("select from publisher.further_acknowledgment_default")).length, 1);
    });
  });
}
