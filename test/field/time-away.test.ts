/**
 * A publisher that returns after its partitions ran out, or to a database that was restored: what waits keeps its order, and
 * the application's transactions are not refused.
 *
 * Quick: 30,000 rows made by one statement; ACKTOR_TIME_AWAY_ROWS makes more.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Retention } from "@acktor/publisher/janitor/sweeps";
import { advanceSequences } from "@acktor/publisher/outbox/advance-sequences";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { adoptDays, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { claim, given, INSERT, message, type TestOutbox, testOutbox, testPool } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const ROWS = Number(process.env["ACKTOR_TIME_AWAY_ROWS"] ?? 30_000);
const options = { timeout: Math.max(TEST_LIMIT_MS, ROWS) };
const BATCH = 100_000;
const ROWS_OF_DEFAULT = "select count(*)::int4 n from publisher.message_delivery_default";

/** All partitions but the one of a week ago are gone, and rows of six days until now are in the default partition. */
async function timeAway({ sql }: TestOutbox, rows: number): Promise<void> {
  await sql("select publisher.drop_day(d) from publisher.partition_days() d where d > current_date - 7");
  await sql("select publisher.create_partition((now() at time zone 'UTC')::date - 7)");
  // As written on those days: without the guard that compares a birth with the clock of today.
  await sql("alter table publisher.message_delivery_default disable trigger born_pending");
  for (let from = 1; from <= rows; from += BATCH) {
    await sql(
      `insert into publisher.message_delivery (message_id, topic, payload, checksum, created_at, updated_at, due_at)
       select publisher.uuid_v7(at), 'plant/' || i % 100, repeat('x', 200), 'sha256:' || repeat('a', 64), at, at, at
       from generate_series($2::int4, $3::int4) i
       cross join lateral (select now() - interval '6 days' * (1 - i / $1::float8) as at) times`,
      [rows, from, Math.min(rows, from + BATCH - 1)],
    );
  }
  await sql("alter table publisher.message_delivery_default enable trigger born_pending");
}

/** As an application does, one transaction each, until it is stopped. */
function enqueuing(t: TestContext, url: string) {
  const pool = testPool(t, url, 2);
  const seen = { done: 0, slowestMs: 0, failures: new Map<string, number>() };
  const stop = new AbortController();
  const ended = (async () => {
    while (!stop.signal.aborted) {
      const startedAt = performance.now();
      const answer = await pool.run("select publisher.enqueue('plant/1', 'x')");
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - startedAt);
      if (answer.ok) seen.done++;
      else if (answer.failure.code === "STOPPED") return;
      else seen.failures.set(answer.failure.code, (seen.failures.get(answer.failure.code) ?? 0) + 1);
    }
  })();
  return {
    seen,
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

for (const version of postgresVersions()) {
  const name = `PARTITION-3: after a week away no row moves, each enqueue is stored, and what waits is claimed in its order, PostgreSQL ${version}`;
  test(name, options, async (t) => {
    const outbox = await testOutbox(t, version);
    const { pool, sql, url } = outbox;
    await sql(`create function publisher.drop_day(day date) returns void language plpgsql as $$ declare base text; begin
      foreach base in array array['message_delivery', 'further_acknowledgment', 'delivery_attempt'] loop
        execute format('drop table publisher.%I', base || to_char(day, '_YYYYMMDD')); end loop; end $$`);
    await timeAway(outbox, ROWS);
    const application = enqueuing(t, url);
    const startedAt = performance.now();
    const made = given(await ensurePartitions(pool));
    assert.ok(made.full.length > 0 && made.waiting.length === 0, JSON.stringify(made));
    const adopted = given(await adoptDays(pool, made.full[0] ?? ""));
    const tookMs = performance.now() - startedAt;
    const before = application.seen.done;
    await until(() => application.seen.done > before, 5_000, "a message after the adoption");
    await application.stop();
    assert.ok(adopted !== null);
    assert.deepEqual([...application.seen.failures], [], "PARTITION-2");
    t.diagnostic(
      `${ROWS} rows, ${Math.round(tookMs)} ms; ${application.seen.done} enqueued meanwhile, the slowest in ${Math.round(application.seen.slowestMs)} ms`,
    );
    assert.deepEqual(await sql(ROWS_OF_DEFAULT), [{ n: 0 }]);
    assert.deepEqual(await sql("select count(*)::int4 n from publisher.message_delivery"), [
      { n: ROWS + application.seen.done },
    ]);
    const days = (await sql("select publisher.partition_days()::text d")).length;
    assert.deepEqual(given(await ensurePartitions(pool)).full, []);
    assert.ok((await sql("select publisher.partition_days()::text d")).length >= days);
    const [first] = given(await claimDue(pool, claim({ limit: 1 }))).messages;
    const [oldest] = await sql<{ id: string }>("select min(message_id::text) id from publisher.message_delivery");
    assert.equal(first?.messageId, oldest?.id);
    assert.ok((await insertMessages(pool, [message()], INSERT)).ok);
    assert.deepEqual(given(await ensurePartitions(pool)).full, []);
  });
}

test("the janitor makes such a partition automatically, and logs it", options, async (t) => {
  const log = keptLogger();
  let isFull = true;
  const outbox = {
    makeDays: async () => ({ ok: true, value: { waiting: [], full: isFull ? ["2026-01-31"] : [] } }) as const,
    adoptDays: async (day: string) => {
      isFull = false;
      return { ok: true, value: { firstDay: "2026-01-25", lastDay: day } } as const;
    },
    retain: async () => ({ ok: true, value: { more: false } }) as const,
  };
  await new Retention(outbox, log.logger).run();
  assert.deepEqual(log.messages(), [
    "a day without a partition has rows; making one around them",
    "the rows have their partition",
  ]);
  await t.test("nothing is logged without need", async () => {
    await new Retention(outbox, log.logger).run();
    assert.equal(log.messages().length, 2);
  });
});

test("sequences behind the data are moved up: new messages of a key come after those that wait", options, async (t) => {
  const { pool, sql } = await testOutbox(t, 18);
  const inKey = (payload: string) => message({ orderingKey: "k", payload });
  for (const payload of ["old1", "old2", "old3"]) assert.ok((await insertMessages(pool, [inKey(payload)], INSERT)).ok);
  await sql("insert into publisher.operator_action (who, action, messages) values ('a', 'b', 0), ('a', 'b', 0)");
  // As after a dump's data, or a logical replication, which carries no sequence.
  await sql("alter sequence publisher.message_seq restart");
  await sql("alter table publisher.operator_action alter action_id restart");
  const log = keptLogger();
  const moved = given(await advanceSequences(pool, log.logger));
  assert.deepEqual([...moved].sort(), ["publisher.message_seq", "publisher.operator_action_action_id_seq"]);
  assert.deepEqual(log.messages(), ["sequences were behind the data and have been moved up"]);
  assert.deepEqual(given(await advanceSequences(pool, log.logger)), []);
  for (const payload of ["new1", "new2"]) assert.ok((await insertMessages(pool, [inKey(payload)], INSERT)).ok);
  const order = await sql<{ payload: string }>("select payload from publisher.message_delivery order by lane, seq");
  assert.deepEqual(
    order.map(({ payload }) => payload),
    ["old1", "old2", "old3", "new1", "new2"],
  );
});
