/** Operators' moves, and what people read: replay, cancel, acknowledge, dead letters, lists, statistics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { acknowledgeManually } from "@acktor/publisher/outbox/acknowledge-manually";
import { cancelMessages } from "@acktor/publisher/outbox/cancel-messages";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { countWaiting, oldestWaiting } from "@acktor/publisher/outbox/count-waiting";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { purgeIdempotencyKeys, sumUpTally } from "@acktor/publisher/outbox/housekeeping";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { type ListFilter, listMessages, type MessagePage } from "@acktor/publisher/outbox/list-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { readStats } from "@acktor/publisher/outbox/read-stats";
import { replayDeadLetters } from "@acktor/publisher/outbox/replay-dead-letters";
import { replayMessages } from "@acktor/publisher/outbox/replay-messages";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { v7 as uuidv7 } from "uuid";
import { ack, attempt, claim, given, INSERT, message, messages, rowsOf, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

const REPLAY = { inboxWindowMs: 30 * 86_400_000, force: false, outOfOrder: false, who: "ana" };

for (const version of postgresVersions()) {
  test(`operators, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    t.beforeEach(() =>
      sql(
        "truncate publisher.message_delivery, publisher.further_acknowledgment, publisher.delivery_attempt, publisher.tally, publisher.operator_action",
      ),
    );
    const insert = async (batch: readonly NewMessage[]): Promise<string[]> => {
      assert.ok((await insertMessages(pool, batch, INSERT)).ok);
      return batch.map((m) => m.messageId);
    };
    const dead = async (over: Partial<NewMessage> = {}, state = "failed", reason = "no"): Promise<string> => {
      const [id = ""] = await insert([message(over)]);
      await sql("update publisher.message_delivery set state = $2, reason = $3, due_at = null where message_id = $1", [
        id,
        state,
        reason,
      ]);
      return id;
    };

    // REPLAY-3
    await t.test("replay: pending again, tries from 0, TTL from now, history kept, recorded with who", async () => {
      const [id = ""] = await insert([message({ ttlMs: 60_000 })]);
      const [row] = given(await claimDue(pool, claim())).messages;
      assert.ok(row);
      await markSent(pool, [attempt(row)]);
      await sql(
        "update publisher.message_delivery set state = 'expired', due_at = null, expires_at = now() - interval '1 day' where message_id = $1",
        [id],
      );
      assert.deepEqual(given(await replayMessages(pool, [id], REPLAY)), {
        moved: [{ messageId: id, state: "pending" }],
        refused: [],
      });
      const after = given(await getMessage(pool, id));
      assert.deepEqual([after?.retry_count, after?.reason, after?.sent_at], [0, null, null]);
      assert.deepEqual(
        after?.attempts.map((a) => [a.attempt, a.outcome]),
        [[1, "acked"]],
      );
      const left = Date.parse(after?.expires_at ?? "") - Date.parse(after?.updated_at ?? "");
      assert.equal(left, 60_000);
      assert.deepEqual(rowsOf(await markSent(pool, [attempt(row)])), [], "a record from its former life is fenced off");
      const [again] = given(await claimDue(pool, claim())).messages;
      assert.deepEqual([again?.messageId, again?.attempts], [id, 0]);
      assert.deepEqual(
        await sql("select who, action, messages::int4, detail->'message_ids'->>0 id from publisher.operator_action"),
        [{ who: "ana", action: "replay", messages: 1, id }],
      );
    });

    await t.test(
      // REPLAY-1
      "replay is refused: other states, unknown ids, too old without force, keyed without out_of_order",
      async () => {
        const [live = ""] = await insert([message()]);
        const old = await dead();
        await sql(
          "update publisher.message_delivery set created_at = now() - interval '31 days' where message_id = $1",
          [old],
        );
        const keyed = await dead({ orderingKey: "k" });
        const unknown = uuidv7();
        const { moved, refused } = given(await replayMessages(pool, [live, old, keyed, unknown], REPLAY));
        assert.deepEqual(moved, []);
        const why = new Map(refused.map((r) => [r.messageId, r.why]));
        assert.match(why.get(live) ?? "", /is pending/);
        assert.match(why.get(old) ?? "", /force/);
        assert.match(why.get(keyed) ?? "", /out_of_order/);
        assert.equal(why.get(unknown), "unknown");
        assert.equal(
          (await sql("select from publisher.operator_action")).length,
          0,
          "what did not happen is not recorded",
        );
        const forced = given(await replayMessages(pool, [old, keyed], { ...REPLAY, force: true, outOfOrder: true }));
        assert.equal(forced.moved.length, 2);
      },
    );

    // REPLAY-2
    await t.test("a replayed keyed message takes a new place in its key", async () => {
      const first = await dead({ orderingKey: "k" });
      const [second = ""] = await insert([message({ orderingKey: "k" })]);
      given(await replayMessages(pool, [first], { ...REPLAY, outOfOrder: true }));
      assert.deepEqual(
        given(await claimDue(pool, claim())).messages.map((m) => m.messageId),
        [second],
      );
    });

    await t.test("cancel: from pending and sent, refused otherwise", async () => {
      const [a = "", b = "", c = ""] = await insert(messages(3));
      await sql("update publisher.message_delivery set state = 'sent' where message_id = $1", [b]);
      await settleAcks(pool, [ack(c)]);
      const { moved, refused } = given(await cancelMessages(pool, [a, b, c], { who: "ana" }));
      assert.deepEqual(
        moved.map((m) => m.state),
        ["failed", "failed"],
      );
      assert.match(refused[0]?.why ?? "", /is acknowledged/);
      assert.equal(given(await getMessage(pool, a))?.reason, "cancelled");
      assert.deepEqual(await sql("select action, messages::int4 from publisher.operator_action"), [
        { action: "cancel", messages: 2 },
      ]);
    });

    await t.test("acknowledge by hand, recorded with who", async () => {
      const [live = ""] = await insert([message()]);
      const late = await dead();
      const { moved } = given(await acknowledgeManually(pool, [live, late], { who: "ana" }));
      assert.equal(moved.length, 2);
      const row = given(await getMessage(pool, late));
      assert.deepEqual([row?.state, row?.late, row?.ack_level], ["acknowledged", true, "operator"]);
      assert.deepEqual(
        row?.acks.map((a) => [a.client_id, a.level]),
        [["ana", "operator"]],
      );
      assert.match(given(await acknowledgeManually(pool, [live], { who: "ana" })).refused[0]?.why ?? "", /already/);
    });

    await t.test("dead letters: by reason and topic, oldest first, dry run first", async () => {
      for (let i = 0; i < 4; i++)
        await dead({ topic: i < 3 ? "a" : "b" }, i % 2 === 0 ? "failed" : "expired", i === 0 ? "other" : "no");
      const filter = { reason: "no", topic: "a", limit: 10, dryRun: true };
      const none = { refused: 0, refusals: [] };
      const replay = async (over: object) => given(await replayDeadLetters(pool, { ...filter, ...over }, REPLAY));
      assert.deepEqual(await replay({}), { matched: 2, moved: 0, ...none });
      assert.deepEqual(await replay({ dryRun: false, limit: 1 }), { matched: 1, moved: 1, ...none });
      assert.deepEqual(await replay({ reason: null, topic: null, dryRun: false }), { matched: 3, moved: 3, ...none });
    });

    await t.test("list: newest first, by state and topic, page by page", async () => {
      const ids = await insert(messages(7, (at) => ({ topic: at % 2 === 0 ? "even" : "odd" })));
      await settleAcks(
        pool,
        ids.slice(0, 3).map((id) => ack(id)),
      );
      await sql("update publisher.message_delivery set state = 'failed', due_at = null where message_id = $1", [
        ids[3] ?? "",
      ]);
      const all = async (filter: Partial<ListFilter>): Promise<string[]> => {
        const seen: string[] = [];
        let before: string | null = null;
        do {
          const page: MessagePage = given(
            await listMessages(pool, { state: null, topic: null, before, limit: 2, ...filter }),
          );
          seen.push(...page.messages.map((m) => m.message_id));
          before = page.nextBefore;
        } while (before !== null && seen.length < 20);
        return seen;
      };
      const newest = ids.toReversed();
      assert.deepEqual(await all({}), newest);
      assert.deepEqual(
        await all({ topic: "odd" }),
        newest.filter((_, at) => at % 2 === 1),
      );
      assert.deepEqual(await all({ state: "acknowledged" }), newest.slice(4));
      assert.deepEqual(await all({ state: "failed" }), [ids[3]]);
      assert.deepEqual(await all({ state: "pending", topic: "even" }), [ids[6], ids[4]]);
      assert.deepEqual(await all({ state: "expired" }), []);
    });

    await t.test("statistics by state, mean retries, success rate without broker acks", async () => {
      const ids = await insert(messages(6));
      await sql("update publisher.message_delivery set attempts = 3 where message_id = any ($1::uuid[])", [
        `{${ids.slice(0, 2).join()}}`,
      ]);
      await settleAcks(pool, [ack(ids[0] ?? ""), ack(ids[2] ?? "", { level: "broker" })]);
      await sql("update publisher.message_delivery set state = 'failed', due_at = null where message_id = $1", [
        ids[1] ?? "",
      ]);
      await sql("update publisher.message_delivery set state = 'sent' where message_id = $1", [ids[3] ?? ""]);
      assert.deepEqual(given(await readStats(pool)), {
        by_state: {
          pending: { count: 2, avg_retries: 0 },
          sent: { count: 1, avg_retries: 0 },
          acknowledged: { count: 2, avg_retries: 1 },
          failed: { count: 1, avg_retries: 2 },
          expired: { count: 0, avg_retries: 0 },
        },
        total_messages: 6,
        success_rate: 20,
        pending_count: 3,
      });
      const before = given(await readStats(pool));
      await settleAcks(pool, [ack(ids[3] ?? "")]);
      assert.deepEqual(given(await sumUpTally(pool)), { summed: 3, more: false });
      assert.deepEqual(await sql("select ack_level, messages::int4 from publisher.tally order by 1"), [
        { ack_level: "broker", messages: 1 },
        { ack_level: "processed", messages: 2 },
      ]);
      assert.equal(given(await readStats(pool)).total_messages, before.total_messages);
    });

    await t.test("what waits: counted up to a bound, the oldest, without scheduled ones", async () => {
      assert.deepEqual([given(await countWaiting(pool, 10)), given(await oldestWaiting(pool))], [0, null]);
      await insert([message({ deliverAt: new Date(Date.now() + 60_000).toISOString() })]);
      assert.equal(given(await oldestWaiting(pool)), null);
      const [oldest] = await insert(messages(20));
      assert.equal(given(await countWaiting(pool, 10)), 10);
      assert.equal(given(await countWaiting(pool, 100)), 21);
      assert.equal(given(await oldestWaiting(pool))?.messageId, oldest);
    });

    await t.test("idempotency keys whose time is over are forgotten", async () => {
      await insert(messages(3, (at) => ({ idempotency: { key: `k${at}`, bodyHash: "h" } })));
      await sql("update publisher.idempotency set expires_at = now() where key <> 'k0'");
      assert.deepEqual(given(await purgeIdempotencyKeys(pool)), { deleted: 2, more: false });
      assert.deepEqual(await sql("select key from publisher.idempotency"), [{ key: "k0" }]);
    });
  });
}
