/** Many hands on the same rows: nothing moves twice, nothing deadlocks, keys keep their order, nothing is stranded. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { expireDue } from "@acktor/publisher/outbox/expire-due";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { releaseLeases } from "@acktor/publisher/outbox/release-leases";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { supersedeRetained } from "@acktor/publisher/outbox/supersede-retained";
import { freeReleased, unparkDestinations } from "@acktor/publisher/outbox/unpark-destinations";
import type { Pool } from "@acktor/shared/db/pool";
import { ack, attempt, claim, given, INSERT, messages, park, rowsOf, testOutbox, testPool } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

/** A pseudo-random sequence, so that a failure can be run again. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const poolOf = (t: TestContext, url: string): Pool => testPool(t, url, 1);

for (const version of postgresVersions()) {
  test(`four settlers and an expiry sweep on the same ids, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, url } = await testOutbox(t, version);
    const random = sequence(version);
    const settlers = [1, 2, 3, 4].map(() => poolOf(t, url));
    const sweeper = poolOf(t, url);
    const rounds = 30;
    let moved = 0;
    for (let round = 0; round < rounds; round++) {
      const batch = messages(1_000, () => ({ ttlMs: 60_000 }));
      assert.ok((await insertMessages(pool, batch, INSERT)).ok);
      await sql("update publisher.message_delivery set expires_at = now() where due_at is not null");
      const work = settlers.map(
        async (own) =>
          rowsOf(
            await settleAcks(
              own,
              shuffled(batch, random).map((m) => ack(m.messageId)),
            ),
          ).length,
      );
      const sweep = expireDue(sweeper);
      for (const count of await Promise.all(work)) moved += count;
      rowsOf(await sweep);
    }
    assert.equal(moved, rounds * 1_000);
    assert.deepEqual(await sql("select state, count(*)::int4 n from publisher.message_delivery group by 1"), [
      { state: "acknowledged", n: rounds * 1_000 },
    ]);
    assert.deepEqual(await sql("select count(*)::int4 n from publisher.delivery_acknowledgment"), [
      { n: rounds * 1_000 },
    ]);
  });

  // OUTBOX_ROW-4
  test(`keys keep their order under three claimers, two settlers and four writers, PostgreSQL ${version}`, async (t) => {
    const { sql, url } = await testOutbox(t, version);
    const random = sequence(version + 100);
    const KEYS = 24;
    const PER_WRITER = 400;
    const total = 4 * PER_WRITER;
    const order = new Map<string, string[]>();
    const open = new Map<string, string>();
    const toSettle: LeasedMessage[] = [];
    let settled = 0;
    let writtenInAll = 0;
    let doubles = 0;
    /** Few rows wait, so that claimers look where the writers write. */
    const room = async (): Promise<void> => {
      while (writtenInAll - settled > 30) await new Promise((resolve) => setImmediate(resolve));
    };

    const writer = async (own: Pool, bySql: boolean): Promise<void> => {
      for (let written = 0; written < PER_WRITER; ) {
        await room();
        const count = Math.min(PER_WRITER - written, 1 + Math.floor(random() * 8));
        const keys = Array.from({ length: count }, () => `key ${Math.floor(random() * KEYS)}`);
        if (bySql) {
          // One implicit transaction of one key: the lock is taken, the numbers drawn; the commit comes a little later.
          const list = `select publisher.enqueue('t', 'x', ordering_key => '${keys[0]}');`.repeat(count);
          const result = await own.run(`${list} select pg_sleep(0.003);`, [], { simple: true });
          rowsOf(result);
        } else {
          const result = await insertMessages(
            own,
            messages(count, (at) => ({ orderingKey: keys[at] ?? null })),
            INSERT,
          );
          assert.ok(result.ok, JSON.stringify(result));
        }
        written += count;
        writtenInAll += count;
      }
    };
    const claimer = async (own: Pool, instance: string): Promise<void> => {
      while (settled < total) {
        const { messages: rows } = given(await claimDue(own, claim({ instance, limit: 10 })));
        for (const row of rows) {
          const key = row.orderingKey ?? "";
          if (open.has(key)) doubles++;
          open.set(key, row.messageId);
          order.set(key, [...(order.get(key) ?? []), row.messageId]);
          toSettle.push(row);
        }
      }
    };
    const settler = async (own: Pool): Promise<void> => {
      while (settled < total) {
        const batch = toSettle.splice(0, 5);
        for (const row of batch) open.delete(row.orderingKey ?? "");
        if (batch.length === 0) await new Promise((resolve) => setImmediate(resolve));
        const done = rowsOf(
          await settleAcks(
            own,
            batch.map((row) => ack(row.messageId)),
          ),
        ).length;
        settled += done;
      }
    };
    await Promise.all([
      ...[0, 1, 2, 3].map((n) => writer(poolOf(t, url), n % 2 === 0)),
      ...["a", "b", "c"].map((name) => claimer(poolOf(t, url), name)),
      settler(poolOf(t, url)),
      settler(poolOf(t, url)),
    ]);
    const rows = await sql<{ message_id: string; ordering_key: string }>(
      "select message_id, ordering_key from publisher.message_delivery order by seq",
    );
    let outOfOrder = 0;
    for (const [key, claimedIds] of order) {
      const committed = rows.filter((row) => row.ordering_key === key).map((row) => row.message_id);
      for (const [at, id] of claimedIds.entries()) if (committed[at] !== id) outOfOrder++;
    }
    assert.deepEqual({ rows: rows.length, outOfOrder, doubles }, { rows: total, outOfOrder: 0, doubles: 0 });
  });

  test(`retained values: the last one written is always sent, never an older one after it, PostgreSQL ${version}`, async (t) => {
    const { sql, url } = await testOutbox(t, version);
    const TOPICS = 5;
    const WRITES = 300;
    const sent = new Map<string, string[]>();
    let writing = 2;
    const writer = async (own: Pool, n: number): Promise<void> => {
      for (let i = 0; i < WRITES; i++) {
        const result = await insertMessages(
          own,
          messages(1, () => ({
            retain: true,
            topic: `state/${(i + n) % TOPICS}`,
            orderingKey: i % 3 === 0 ? `k${i % 4}` : null,
          })),
          INSERT,
        );
        assert.ok(result.ok);
      }
      writing--;
    };
    const dispatcher = async (own: Pool, instance: string): Promise<void> => {
      for (let idle = 0; idle < 3; ) {
        given(await supersedeRetained(own));
        const { messages: rows } = given(await claimDue(own, claim({ instance })));
        for (const row of rows) sent.set(row.topic, [...(sent.get(row.topic) ?? []), row.messageId]);
        const acked = rows.filter((_, at) => at % 2 === 0);
        rowsOf(
          await markSent(
            own,
            rows.filter((_, at) => at % 2 === 1).map((row) => attempt(row, { nextInMs: 3_600_000 })),
          ),
        );
        rowsOf(
          await settleAcks(
            own,
            acked.map((row) => ack(row.messageId)),
          ),
        );
        idle = rows.length === 0 && writing === 0 ? idle + 1 : 0;
      }
    };
    await Promise.all([
      writer(poolOf(t, url), 0),
      writer(poolOf(t, url), 1),
      dispatcher(poolOf(t, url), "a"),
      dispatcher(poolOf(t, url), "b"),
    ]);
    const rows = await sql<{ message_id: string; topic: string }>(
      "select message_id, topic from publisher.message_delivery order by seq",
    );
    const place = new Map(rows.map((row, at) => [row.message_id, at]));
    for (const [topic, ids] of sent) {
      const places = ids.map((id) => place.get(id) ?? -1);
      assert.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
        topic,
      );
      assert.equal(ids.at(-1), rows.findLast((row) => row.topic === topic)?.message_id, topic);
    }
    assert.equal(sent.size, TOPICS);
  });

  test(`parking and releasing at the same time strand no message, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, url } = await testOutbox(t, version);
    const NAMES = ["d/0", "d/1", "d/2"];
    const rowsTotal = 300;
    const inserted = await insertMessages(
      pool,
      messages(rowsTotal, (at) => ({ topic: NAMES[at % 3] ?? "", orderingKey: at % 5 === 0 ? `k${at}` : null })),
      INSERT,
    );
    assert.ok(inserted.ok);
    let running = true;
    const claimer = async (own: Pool, instance: string): Promise<void> => {
      while (running) {
        const { messages: rows } = given(await claimDue(own, claim({ instance, limit: 50 })));
        const parked = rows.filter((row, at) => row.topic === "d/0" && at % 3 === 0);
        rowsOf(
          await park(
            own,
            "d/0",
            parked.map((row) => row.messageId),
            instance,
          ),
        );
        rowsOf(
          await releaseLeases(
            own,
            rows.map((row) => ({ ...row, dueInMs: 0 })),
          ),
        );
      }
    };
    const parker = async (own: Pool): Promise<void> => {
      for (let i = 0; i < 120; i++) {
        rowsOf(await park(own, NAMES[i % 3] ?? "", [], "absent"));
        given(await unparkDestinations(own, [NAMES[(i + 1) % 3] ?? ""]));
        given(await freeReleased(own, 0));
      }
      running = false;
    };
    await Promise.all([claimer(poolOf(t, url), "a"), claimer(poolOf(t, url), "b"), parker(poolOf(t, url))]);
    given(await unparkDestinations(pool, NAMES));
    for (let more = true; more; ) more = given(await freeReleased(pool, 0)).more;
    assert.deepEqual(await sql("select from publisher.message_delivery where parked"), []);
    assert.deepEqual(await sql("select from publisher.destination"), []);
    assert.equal(given(await claimDue(pool, claim({ limit: 1_000 }))).messages.length, rowsTotal);
  });

  test(`a claim reads no more with 100,000 finished rows, PostgreSQL ${version}`, async (t) => {
    const { sql, url } = await testOutbox(t, version);
    const own = poolOf(t, url);
    const blocks = async (): Promise<number> => {
      rowsOf(await own.run("select pg_stat_force_next_flush()"));
      const [row] = rowsOf(
        await own.run<{ n: string }>(
          "select blks_hit + blks_read n from pg_stat_database where datname = current_database()",
        ),
      );
      return Number(row?.n);
    };
    /** Pages that a claim reads, the least of some: autovacuum reads too. */
    const least = async (): Promise<number> => {
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 8; i++) {
        const before = await blocks();
        const { messages: rows } = given(await claimDue(own, claim({ limit: 200 })));
        least = Math.min(least, (await blocks()) - before);
        assert.equal(rows.length, 200);
        rowsOf(
          await releaseLeases(
            own,
            rows.map((row) => ({ ...row, dueInMs: 0 })),
          ),
        );
      }
      return least;
    };
    assert.ok(
      (
        await insertMessages(
          own,
          messages(400, (at) => ({ orderingKey: at % 2 === 0 ? `k${at}` : null })),
          INSERT,
        )
      ).ok,
    );
    // No vacuum and no new statistics: the plans are those that were made while the tables were empty.
    const parts = await sql<{ name: string }>(
      "select inhrelid::regclass::text name from pg_inherits where inhparent = 'publisher.message_delivery'::regclass",
    );
    for (const { name } of parts) await sql(`alter table ${name} set (autovacuum_enabled = off)`);
    const before = await least();
    await sql(`insert into publisher.message_delivery (message_id, topic, payload, checksum, ordering_key)
      select publisher.uuid_v7(), 'old', 'x', 'sha256:' || repeat('0', 64), case when n % 2 = 0 then 'k' || n % 1000 end from generate_series(1, 100000) n`);
    await sql("update publisher.message_delivery set state = 'acknowledged', due_at = null where topic = 'old'");
    const after = await least();
    t.diagnostic(`pages of a claim of 200: ${before}, with 100,000 finished rows ${after}`);
    // The primary key is one or two levels deeper; reading the finished rows would be 10,000 pages more.
    assert.ok(after < 2.5 * before, `${before} pages grew to ${after}`);
  });
}
