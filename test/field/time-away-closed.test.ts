/**
 * The default partition stays open: rows of other days, or an adoption that did not finish, refuse no message later.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptDays, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { given, type TestOutbox, testOutbox, testPool } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

const options = { timeout: TEST_LIMIT_MS };
const DAY_MS = 86_400_000;
const dayOf = (ahead: number): string => new Date(Date.now() + ahead * DAY_MS).toISOString().slice(0, 10);

/** `rows` rows spread over the days from `from` to `to`, of which 0 is today. */
async function fill({ sql }: TestOutbox, rows: number, from: number, to: number): Promise<void> {
  await sql("alter table publisher.message_delivery_default disable trigger born_pending");
  await sql(
    `insert into publisher.message_delivery (message_id, topic, payload, checksum, created_at, updated_at, due_at)
     select publisher.uuid_v7(at), 'plant/1', 'x', 'sha256:' || repeat('a', 64), at, at, at from generate_series(0, $1::int4 - 1) i
     cross join lateral (select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' + interval '1 minute'
       + interval '1 day' * ($2::int4 + i % ($3::int4 - $2::int4 + 1)) as at) times`,
    [rows, from, to],
  );
  await sql("alter table publisher.message_delivery_default enable trigger born_pending");
}

async function drop({ sql }: TestOutbox, ahead: number): Promise<void> {
  for (const base of ["message_delivery", "further_acknowledgment", "delivery_attempt"]) {
    await sql(`drop table publisher.${base}_${dayOf(ahead).replaceAll("-", "")}`);
  }
}

/** A row of a day that has no partition is stored, so that nothing closes the default partition. */
async function assertOpen(outbox: TestOutbox): Promise<void> {
  assert.deepEqual(await outbox.sql("select from pg_constraint where conname = 'adopted'"), []);
  await fill(outbox, 1, 5, 5);
  await outbox.sql("delete from publisher.message_delivery where message_id >= publisher.day_bound($1::text::date)", [
    dayOf(5),
  ]);
}

for (const version of postgresVersions()) {
  test(
    `PARTITION-4: a day to come is made although old days have many rows, PostgreSQL ${version}`,
    options,
    async (t) => {
      for (const [from, to] of [
        [-9, -7],
        [-8, -8],
      ] as const) {
        const outbox = await testOutbox(t, version);
        await drop(outbox, 3);
        await fill(outbox, 10_500, from, to);
        assert.deepEqual(given(await ensurePartitions(outbox.pool)).full, [dayOf(3)]);
        const adopted = given(await adoptDays(outbox.pool, dayOf(3)));
        assert.deepEqual(adopted, { firstDay: dayOf(3), lastDay: dayOf(3) });
        assert.deepEqual(given(await ensurePartitions(outbox.pool)), { done: [], waiting: [], full: [] });
        assert.deepEqual(given(await adoptDays(outbox.pool, dayOf(3))), null, "it is there");
        await assertOpen(outbox);
      }
    },
  );

  test(`PARTITION-4: tomorrow's inserts are not kept out, PostgreSQL ${version}`, options, async (t) => {
    const outbox = await testOutbox(t, version);
    for (const ahead of [1, 2, 3]) await drop(outbox, ahead);
    await fill(outbox, 10_500, -8, -8);
    assert.deepEqual(given(await ensurePartitions(outbox.pool)).full, [1, 2, 3].map(dayOf));
    assert.equal(given(await adoptDays(outbox.pool, dayOf(1))), null);
    await assertOpen(outbox);
    for (const ahead of [2, 3]) assert.ok(given(await adoptDays(outbox.pool, dayOf(ahead))));
    await assertOpen(outbox);
  });

  test(`PARTITION-4: a crash within an adoption leaves nothing behind, PostgreSQL ${version}`, options, async (t) => {
    const outbox = await testOutbox(t, version);
    for (const ahead of [0, 3]) await drop(outbox, ahead);
    await fill(outbox, 10_500, 0, 0);
    for (const call of [`begin_adoption('${dayOf(0)}')`, `keep_out('${dayOf(3)}')`]) {
      for (const calls of [[call], [call, "validate_adoption()"]]) {
        for (const each of calls) await outbox.sql(`select publisher.${each}`);
        assert.equal((await outbox.sql("select from pg_constraint where conname = 'adopted'")).length, 3);
        assert.deepEqual(given(await ensurePartitions(outbox.pool)).full, [0, 3].map(dayOf));
        await assertOpen(outbox);
      }
    }
    const today = { firstDay: dayOf(0), lastDay: dayOf(0) };
    assert.deepEqual(given(await adoptDays(outbox.pool, dayOf(0))), today);
  });

  test(`PARTITION-4: two replicas at once, PostgreSQL ${version}`, options, async (t) => {
    const outbox = await testOutbox(t, version);
    for (const ahead of [0, 3]) await drop(outbox, ahead);
    await fill(outbox, 20_000, 0, 0);
    const pools = [outbox.pool, testPool(t, outbox.url)];
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        pools.map(async (pool) => {
          const { full } = given(await ensurePartitions(pool));
          for (const day of full) given(await adoptDays(pool, day));
        }),
      );
    }
    // Two at the same moment may keep each other from it; the next turn of one makes the day.
    for (const day of given(await ensurePartitions(outbox.pool)).full) given(await adoptDays(outbox.pool, day));
    given(await ensurePartitions(outbox.pool));
    const days = await outbox.sql<{ d: string }>("select publisher.partition_days()::text d order by 1");
    assert.deepEqual(
      days.map(({ d }) => d),
      [-1, 0, 1, 2, 3].map(dayOf),
    );
    assert.deepEqual(await outbox.sql("select count(*)::int4 n from publisher.message_delivery"), [{ n: 20_000 }]);
    await assertOpen(outbox);
  });
}
