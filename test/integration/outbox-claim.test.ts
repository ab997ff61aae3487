/** The claim: due rows, one owner each, heads of lanes only, nothing starved, nothing slowed by finished rows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { failMessages } from "@acktor/publisher/outbox/fail-messages";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import type { ClaimOptions, LeasedMessage, NewMessage } from "@acktor/publisher/outbox/outbox";
import { releaseInstance, releaseLeases } from "@acktor/publisher/outbox/release-leases";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { supersedeRetained } from "@acktor/publisher/outbox/supersede-retained";
import type { Pool } from "@acktor/shared/db/pool";
import { ack, attempt, claim, given, INSERT, message, messages, rowsOf, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

async function claimed(pool: Pool, over: Partial<ClaimOptions> = {}): Promise<readonly LeasedMessage[]> {
  return given(await claimDue(pool, claim(over))).messages;
}

async function insert<T extends readonly NewMessage[]>(pool: Pool, batch: T): Promise<T> {
  const result = await insertMessages(pool, batch, INSERT);
  assert.ok(result.ok);
  return batch;
}

const ids = (rows: readonly { messageId: string }[]): string[] => rows.map((row) => row.messageId);

for (const version of postgresVersions()) {
  test(`claim, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    const clear = (): Promise<unknown> =>
      sql(
        "truncate publisher.message_delivery, publisher.further_acknowledgment, publisher.delivery_attempt, publisher.destination",
      );
    t.beforeEach(clear);

    await t.test("oldest due first, up to the limit, with everything the envelope needs", async () => {
      const batch = await insert(
        pool,
        messages(5, (at) => ({ payload: `p${at}`, ttlMs: 60_000, maxRetries: 2, contentType: "x/y" })),
      );
      await sql("update publisher.message_delivery set due_at = now() - seq * interval '1 second'");
      const rows = await claimed(pool, { limit: 2 });
      assert.deepEqual(ids(rows), ids([...batch].reverse().slice(0, 2)));
      const [row] = rows;
      assert.ok(
        row?.expiresInMs !== null && row !== undefined && row.expiresInMs > 50_000 && row.expiresInMs <= 60_000,
      );
      assert.ok(Math.abs(row.createdAt - Date.now() / 1_000) < 60);
      assert.deepEqual(
        [row.payload, row.attempts, row.leaseToken, row.maxRetries, row.contentType],
        ["p4", 0, "1", 2, "x/y"],
      );
    });

    // DUE-1
    await t.test(
      "one owner at a time; any publisher can claim a row with an expired lease, with a higher token",
      async () => {
        const [m] = await insert(pool, [message()] as const);
        assert.equal((await claimed(pool)).length, 1);
        assert.equal((await claimed(pool, { instance: "two" })).length, 0);
        await sql("update publisher.message_delivery set due_at = now()");
        const [again] = await claimed(pool, { instance: "two" });
        assert.equal(again?.leaseToken, "2");
        const late = rowsOf(await markSent(pool, [attempt({ messageId: m.messageId, leaseToken: "1" })]));
        assert.deepEqual(late, [], "the first owner's record is fenced off");
        assert.deepEqual(
          rowsOf(await releaseLeases(pool, [{ messageId: m.messageId, leaseToken: "1", dueInMs: 0 }])),
          [],
        );
        assert.deepEqual(
          rowsOf(await failMessages(pool, [{ messageId: m.messageId, leaseToken: "1", reason: "x" }])),
          [],
        );
      },
    );

    await t.test("what is not due, parked or past its life is left", async () => {
      await insert(pool, [
        message({ deliverAt: new Date(Date.now() + 60_000).toISOString() }),
        message({ ttlMs: 1 }),
        message(),
      ]);
      await sql("update publisher.message_delivery set expires_at = now() where expires_at is not null");
      await sql("update publisher.message_delivery set parked = true where expires_at is null and deliver_at is null");
      assert.deepEqual(await claimed(pool), []);
    });

    // DUE-2
    await t.test("a lane goes one at a time, in order; a head that ends releases its key", async () => {
      const batch = await insert(
        pool,
        messages(3, () => ({ orderingKey: "k" })),
      );
      const [first] = await claimed(pool);
      assert.equal(first?.messageId, batch[0]?.messageId);
      assert.deepEqual(await claimed(pool), [], "leased");
      await markSent(pool, [attempt(first as LeasedMessage, { nextInMs: 60_000 })]);
      assert.deepEqual(await claimed(pool), [], "sent and not acked");
      await settleAcks(pool, [ack(batch[0]?.messageId ?? "")]);
      const [second] = await claimed(pool);
      assert.equal(second?.messageId, batch[1]?.messageId);
      await failMessages(pool, [
        { messageId: second?.messageId ?? "", leaseToken: second?.leaseToken ?? "", reason: "no" },
      ]);
      assert.deepEqual(ids(await claimed(pool)), [batch[2]?.messageId]);
    });

    // DUE-3
    await t.test("a blocked key, and a key with a long queue, starve no other", async () => {
      await insert(
        pool,
        messages(2_000, () => ({ orderingKey: "a-hot" })),
      );
      await insert(
        pool,
        messages(300, (at) => ({ orderingKey: `key-${at}` })),
      );
      const rows = await claimed(pool, { limit: 1_000 });
      assert.equal(rows.length, 301);
      assert.equal(new Set(rows.map((r) => r.orderingKey)).size, 301);
    });

    await t.test("the walk over many lanes continues at its cursor and starts again after the last one", async () => {
      await insert(
        pool,
        messages(3_000, (at) => ({ orderingKey: `key-${at}` })),
      );
      const seen = new Set<string>();
      let cursor = "";
      let rounds = 0;
      do {
        const value = given(await claimDue(pool, claim({ limit: 3_000, laneCursor: cursor })));
        for (const row of value.messages) seen.add(row.messageId);
        cursor = value.nextLaneCursor;
        rounds++;
      } while (cursor !== "" && rounds < 10);
      assert.equal(seen.size, 3_000);
      assert.ok(rounds > 1);
    });

    await t.test("released rows are due again: by token, or all of an instance", async () => {
      await insert(pool, messages(3));
      const rows = await claimed(pool);
      const [first] = rows;
      await releaseLeases(pool, [
        { messageId: first?.messageId ?? "", leaseToken: first?.leaseToken ?? "", dueInMs: 60_000 },
      ]);
      assert.deepEqual(await claimed(pool), []);
      assert.equal(rowsOf(await releaseInstance(pool, "one")).length, 2);
      assert.equal((await claimed(pool)).length, 2);
    });

    // RELEASE-1
    await t.test("a release does not touch a row whose attempt was recorded", async () => {
      await insert(pool, [message()]);
      const [row] = await claimed(pool);
      assert.ok(row);
      await markSent(pool, [attempt(row, { nextInMs: 60_000 })]);
      assert.deepEqual(rowsOf(await releaseLeases(pool, [{ ...row, dueInMs: 0 }])), []);
      assert.deepEqual(await claimed(pool), []);
    });

    await t.test("retained: the older ones are superseded, the newest is sent, one at a time", async () => {
      const batch = await insert(
        pool,
        messages(3, () => ({ retain: true, topic: "state/1" })),
      );
      const other = await insert(
        pool,
        messages(2, (at) => ({ retain: true, topic: `state/other-${at}` })),
      );
      assert.deepEqual(given(await supersedeRetained(pool)).messageIds.toSorted(), ids(batch.slice(0, 2)).toSorted());
      assert.deepEqual(ids(await claimed(pool)).toSorted(), ids([...batch.slice(2), ...other]).toSorted());
      const rows = await sql(
        "select state, reason from publisher.message_delivery where topic = 'state/1' order by seq",
      );
      assert.deepEqual(rows, [
        { state: "failed", reason: "superseded" },
        { state: "failed", reason: "superseded" },
        { state: "pending", reason: null },
      ]);
    });

    // SUPERSEDE-1
    await t.test("retained: a newer row waits while the older one is leased, also across keys", async () => {
      const [old] = await insert(pool, [message({ retain: true, topic: "s" })] as const);
      const [leased] = await claimed(pool);
      assert.ok(leased);
      const [fresh, keyed] = await insert(pool, [
        message({ retain: true, topic: "s" }),
        message({ retain: true, topic: "s", orderingKey: "k" }),
      ] as const);
      assert.deepEqual(
        given(await supersedeRetained(pool)).messageIds,
        [fresh.messageId],
        "the leased one is left alone",
      );
      assert.deepEqual(await claimed(pool), [], "nothing passes the one that is on its way");
      await markSent(pool, [attempt(leased, { nextInMs: 60_000 })]);
      assert.deepEqual(given(await supersedeRetained(pool)).messageIds, [old.messageId]);
      assert.deepEqual(ids(await claimed(pool)), [keyed.messageId]);
      assert.equal(rowsOf(await settleAcks(pool, [ack(old.messageId)]))[0]?.late, true, "its ack is still the truth");
    });

    await t.test("supersession continues at its cursor", async () => {
      await insert(
        pool,
        messages(2_500, (at) => ({ retain: true, topic: `t/${at % 1_250}` })),
      );
      const first = given(await supersedeRetained(pool));
      assert.notEqual(first.next, null);
      const second = given(await supersedeRetained(pool, first.next));
      assert.equal(second.next, null);
      assert.equal(first.messageIds.length + second.messageIds.length, 1_250);
      assert.deepEqual(given(await supersedeRetained(pool)).messageIds, []);
    });
  });
}
