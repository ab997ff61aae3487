/** Dead letters that were looked after, and the states of many messages at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countDeadLetters } from "@acktor/publisher/outbox/count-dead-letters";
import { discardDeadLetters } from "@acktor/publisher/outbox/discard-dead-letters";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { readStates } from "@acktor/publisher/outbox/read-states";
import { readStats } from "@acktor/publisher/outbox/read-stats";
import { replayDeadLetters } from "@acktor/publisher/outbox/replay-dead-letters";
import { replayMessages } from "@acktor/publisher/outbox/replay-messages";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { v7 as uuidv7 } from "uuid";
import { ack, given, INSERT, message, messages, testOutbox, testPool } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const ANY = { reason: null, topic: null, limit: 10, dryRun: false };
const REPLAY = { inboxWindowMs: 30 * 86_400_000, force: false, outOfOrder: false, who: "ana" };

for (const version of postgresVersions()) {
  test(`discarding, PostgreSQL ${version}`, async (t) => {
    const { pool, sql, url } = await testOutbox(t, version);
    t.beforeEach(() => sql("truncate publisher.message_delivery, publisher.operator_action, publisher.tally"));
    const dead = async (over: Partial<NewMessage> = {}, state = "failed", reason = "no"): Promise<string> => {
      const one = message(over);
      assert.ok((await insertMessages(pool, [one], INSERT)).ok);
      const id = one.messageId;
      await sql("update publisher.message_delivery set state = $2, reason = $3, due_at = null where message_id = $1", [
        id,
        state,
        reason,
      ]);
      return id;
    };
    const discard = async (over: object) => given(await discardDeadLetters(pool, { ...ANY, ...over }, { who: "ana" }));
    const discarded = async (): Promise<string[]> => {
      const rows = await sql<{ id: string }>(
        "select message_id::text id from publisher.message_delivery where discarded_at is not null order by 1",
      );
      return rows.map(({ id }) => id);
    };

    await t.test("by reason and topic, oldest first, once, recorded with who; a dry run changes nothing", async () => {
      const first = await dead();
      const second = await dead({ topic: "plant/2" });
      const third = await dead({}, "expired", "expired");
      await insertMessages(pool, messages(2), INSERT);
      const counted = async (over: object) => {
        const { matched, moved, refused } = await discard(over);
        return [matched, moved, refused];
      };
      assert.deepEqual(await counted({ dryRun: true }), [3, 0, 0]);
      assert.deepEqual(await discarded(), []);
      assert.deepEqual(await counted({ reason: "no", limit: 1 }), [1, 1, 0]);
      assert.deepEqual(await discarded(), [first]);
      assert.deepEqual(await counted({ topic: "plant/2" }), [1, 1, 0]);
      assert.deepEqual(await counted({}), [1, 1, 0]);
      assert.deepEqual(await counted({}), [0, 0, 0]);
      assert.deepEqual(await discarded(), [first, second, third]);
      const audit = await sql(
        "select who, action, messages::int4, detail->'message_ids'->>0 id from publisher.operator_action",
      );
      assert.deepEqual(
        audit,
        [first, second, third].map((id) => ({ who: "ana", action: "discard", messages: 1, id })),
      );
    });

    await t.test(
      "they leave the groups and the replay of all, and keep their state and their place in the counts",
      async () => {
        const [kept, gone] = [await dead(), await dead()];
        await sql("update publisher.message_delivery set discarded_at = now() where message_id = $1", [gone]);
        assert.deepEqual(
          given(await countDeadLetters(pool)).groups.map(({ count }) => count),
          [1],
        );
        const replayed = given(await replayDeadLetters(pool, ANY, REPLAY));
        assert.deepEqual([replayed.matched, replayed.moved], [1, 1]);
        assert.deepEqual(given(await readStates(pool, [kept, gone])), ["pending", "failed"]);
        assert.equal(given(await readStats(pool)).by_state.failed.count, 1);
      },
    );

    await t.test("replayed by its id it is like any other; a late ack counts", async () => {
      const [again, late] = [await dead(), await dead()];
      await discard({});
      assert.equal(given(await replayMessages(pool, [again], REPLAY)).moved.length, 1);
      assert.equal(given(await getMessage(pool, again))?.discarded_at, null);
      assert.ok((await settleAcks(pool, [ack(late)])).ok);
      const acknowledged = given(await getMessage(pool, late));
      assert.deepEqual([acknowledged?.state, acknowledged?.late], ["acknowledged", true]);
      assert.notEqual(acknowledged?.discarded_at, null);
    });

    await t.test("one that is replayed at the same moment is left alone", async (s) => {
      const id = await dead();
      const [holder, mover] = [testPool(s, url, 1), testPool(s, url, 1)];
      await holder.run("select pg_advisory_lock(4711)");
      const move = mover.run(
        `begin; update publisher.message_delivery set state = 'pending', due_at = now() where message_id = '${id}';
         select pg_advisory_xact_lock(4711); commit`,
        [],
        { simple: true },
      );
      const waiting = async (count: number): Promise<void> => {
        const locks = "select count(distinct pid)::int4 n from pg_locks where not granted";
        await until(
          async () => (await sql<{ n: number }>(locks))[0]?.n === count,
          5_000,
          `${count} to wait for a lock`,
        );
      };
      await waiting(1);
      const discarding = discard({});
      await waiting(2);
      await holder.run("select pg_advisory_unlock(4711)");
      assert.ok((await move).ok);
      const { matched, moved, refused } = await discarding;
      assert.deepEqual([matched, moved, refused], [1, 0, 1]);
      assert.deepEqual(await discarded(), []);
    });

    await t.test("a day that is made later has the column too", async () => {
      await sql("select publisher.create_partition(((now() at time zone 'UTC')::date + 9))");
      const rows = await sql(
        "select count(distinct attrelid)::int4 n from pg_attribute where attname = 'discarded_at' and attrelid in (select inhrelid from pg_inherits where inhparent = 'publisher.message_delivery'::regclass)",
      );
      const all = await sql(
        "select count(*)::int4 n from pg_inherits where inhparent = 'publisher.message_delivery'::regclass",
      );
      assert.deepEqual(rows, all);
    });

    await t.test("states come in the order of the ids, also asked twice, null for what is not there", async () => {
      const [live, gone] = [messages(1), await dead()];
      assert.ok((await insertMessages(pool, live, INSERT)).ok);
      const id = live[0]?.messageId ?? "";
      assert.deepEqual(given(await readStates(pool, [gone, uuidv7(), id, gone])), [
        "failed",
        null,
        "pending",
        "failed",
      ]);
    });
  });
}
