/** What the console asks of the outbox: dead letters by reason, cancel by topic, destinations; and its routes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addOverviewRoutes } from "@acktor/publisher/http/overview-routes";
import { Refusals } from "@acktor/publisher/http/refusals";
import { cancelWaiting } from "@acktor/publisher/outbox/cancel-waiting";
import { countDeadLetters } from "@acktor/publisher/outbox/count-dead-letters";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { readDestinations } from "@acktor/publisher/outbox/read-destinations";
import { LOCAL } from "@acktor/publisher/principals/principal";
import { hold } from "@acktor/publisher/principals/principal-gate";
import Fastify from "fastify";
import { given, INSERT, messages, park, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

for (const version of postgresVersions()) {
  test(`what the console asks of the outbox, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    t.beforeEach(() =>
      sql("truncate publisher.message_delivery, publisher.destination, publisher.operator_action, publisher.tally"),
    );
    const insert = async (count: number, topic: string): Promise<string[]> => {
      const batch = messages(count, () => ({ topic }));
      assert.ok((await insertMessages(pool, batch, INSERT)).ok);
      return batch.map((m) => m.messageId);
    };
    const end = (ids: readonly string[], state: string, reason: string | null) =>
      sql(
        "update publisher.message_delivery set state = $2, reason = $3, due_at = null where message_id = any ($1::text::uuid[])",
        [`{${ids.join()}}`, state, reason],
      );

    await t.test("dead letters by reason and state, the largest group first", async () => {
      assert.deepEqual(given(await countDeadLetters(pool)), { groups: [], complete: true });
      await end(await insert(3, "a"), "failed", "max_retries");
      await end(await insert(1, "a"), "failed", "cancelled");
      await end(await insert(2, "b"), "expired", null);
      await insert(5, "alive");
      const { groups, complete } = given(await countDeadLetters(pool));
      assert.deepEqual(
        groups.map(({ reason, state, count }) => [reason, state, count]),
        [
          ["max_retries", "failed", 3],
          [null, "expired", 2],
          ["cancelled", "failed", 1],
        ],
      );
      assert.equal(complete, true);
      assert.ok(groups.every(({ oldest, newest }) => Date.parse(oldest) <= Date.parse(newest)));
    });

    await t.test("cancel by topic: counts first, then ends what waits there, audited, and nothing else", async () => {
      await insert(1_500, "a");
      await insert(2, "b");
      await end(await insert(1, "a"), "failed", "no");
      const all = { topic: "a", limit: 10_000 };
      const who = { who: "ana" };
      const states = () =>
        sql(
          "select topic, state, reason, count(*)::int4 n from publisher.message_delivery group by 1, 2, 3 order by 1, 4",
        );
      const dry = given(await cancelWaiting(pool, { ...all, dryRun: true }, who));
      assert.deepEqual(dry, { matched: 1_500, cancelled: 0, refused: 0 });
      assert.equal((await states()).filter(({ reason }) => reason === "cancelled").length, 0, "nothing happened");
      const few = given(await cancelWaiting(pool, { topic: "a", limit: 3, dryRun: false }, who));
      assert.deepEqual(few, { matched: 3, cancelled: 3, refused: 0 });
      const rest = given(await cancelWaiting(pool, { ...all, dryRun: false }, who));
      assert.deepEqual(rest, { matched: 1_497, cancelled: 1_497, refused: 0 });
      assert.deepEqual(await states(), [
        { topic: "a", state: "failed", reason: "no", n: 1 },
        { topic: "a", state: "failed", reason: "cancelled", n: 1_500 },
        { topic: "b", state: "pending", reason: null, n: 2 },
      ]);
      const audited = await sql(
        "select who, action, sum(messages)::int4 n from publisher.operator_action group by 1, 2",
      );
      assert.deepEqual(audited, [{ who: "ana", action: "cancel", n: 1_500 }]);
    });

    await t.test("destinations: parked ones first, then by what waits longest", async () => {
      const old = await insert(1, "old");
      await sql("update publisher.message_delivery set created_at = now() - interval '1 hour' where message_id = $1", [
        old[0] ?? "",
      ]);
      await insert(2, "new");
      const silent = await insert(3, "silent");
      await sql(
        "update publisher.message_delivery set lease_owner = 'one', due_at = now() + interval '1 minute' where topic = 'silent'",
      );
      assert.ok((await park(pool, "silent", silent, "one")).ok);
      await end(await insert(1, "done"), "failed", "no");
      const rows = given(await readDestinations(pool, 10));
      assert.deepEqual(
        rows.map(({ name, waiting, parked_at }) => [name, waiting, parked_at !== null]),
        [
          ["silent", 3, true],
          ["old", 1, false],
          ["new", 2, false],
        ],
      );
      assert.equal(given(await readDestinations(pool, 1)).length, 1);
    });

    await t.test("their routes: groups, a dry run, a cancel, and what is refused", async (t) => {
      const app = Fastify();
      t.after(() => app.close());
      app.addHook("onRequest", async (request) => hold(request, LOCAL));
      const refusals = new Refusals({ record: async () => undefined }, "one");
      addOverviewRoutes(app, { pool, refusals, overview: { read: async () => ({ instance: "one" }) } });
      await insert(2, "a");
      await end(await insert(1, "b"), "failed", "no");
      assert.deepEqual((await app.inject("/v1/overview")).json(), { instance: "one" });
      const { groups } = (await app.inject("/v1/dead-letters")).json() as { groups: { reason: string }[] };
      assert.deepEqual(
        groups.map(({ reason }) => reason),
        ["no"],
      );
      const cancel = async (payload: object) => {
        const { statusCode, body } = await app.inject({ method: "POST", url: "/v1/messages/cancel", payload });
        return [statusCode, JSON.parse(body)];
      };
      assert.deepEqual(await cancel({ topic: "a", dry_run: true }), [
        200,
        { dry_run: true, matched: 2, cancelled: 0, refused: 0 },
      ]);
      assert.deepEqual(await cancel({ topic: "a" }), [200, { dry_run: false, matched: 2, cancelled: 2, refused: 0 }]);
      const [status, { error }] = await cancel({});
      assert.deepEqual([status, error.field], [400, "topic"], "never everything");
      assert.equal((await cancel({ topic: "a/#" }))[0], 400);
      assert.equal((await cancel({ topic: "a", state: "sent" }))[0], 400);
    });
  });
}
