/** Silent destinations: parked, probed by single messages, resumed when an acker answers or sends its birth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { configureOutbox } from "@acktor/publisher/outbox/configure-outbox";
import { getMessage } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import type { NewMessage } from "@acktor/publisher/outbox/outbox";
import { parkMessages } from "@acktor/publisher/outbox/park-messages";
import { probeDestinations } from "@acktor/publisher/outbox/probe-destinations";
import { type Place, servePlaces } from "@acktor/publisher/outbox/serve-places";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { freeReleased, unparkDestinations } from "@acktor/publisher/outbox/unpark-destinations";
import { FIRST_ID, prefixesOf, walkWaiting } from "@acktor/publisher/outbox/walk-waiting";
import type { Pool } from "@acktor/shared/db/pool";
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import { ack, attempt, claim, given, INSERT, messages, park, rowsOf, testOutbox } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const PROBE = { instance: "one", leaseMs: 15_000, untried: 100, silent: 100 };
const SETTINGS = {
  ackPrefix: "delivery/ack",
  presencePrefix: "delivery/acker",
  defaultTtlMs: null,
  defaultMaxRetries: null,
  defaultHoldMs: null,
  retentionMs: 7 * 86_400_000,
  destinationLevels: 0,
};

for (const version of postgresVersions()) {
  test(`parking, PostgreSQL ${version}`, async (t) => {
    const { pool, sql } = await testOutbox(t, version);
    t.beforeEach(async () => {
      await sql("truncate publisher.message_delivery, publisher.destination");
      given(await configureOutbox(pool, SETTINGS));
    });
    const insert = async (batch: readonly NewMessage[]): Promise<string[]> => {
      assert.ok((await insertMessages(pool, batch, INSERT)).ok);
      return batch.map((m) => m.messageId);
    };
    const topics = async (): Promise<(string | undefined)[]> => {
      const { messages: rows, parked } = given(await claimDue(pool, claim()));
      return [...rows.map((row) => row.topic).sort(), ...(parked > 0 ? [`${parked} parked`] : [])];
    };
    const parkedRows = async (): Promise<unknown> =>
      (await sql<{ n: number }>("select count(*)::int4 n from publisher.message_delivery where parked"))[0]?.n;
    const parkedNames = async (): Promise<string[]> => {
      const found = await sql<{ destination: string }>(
        "select destination from publisher.destination where parked_at is not null order by parked_at",
      );
      return found.map(({ destination }) => destination);
    };
    const probeNow = (): Promise<unknown> =>
      sql("update publisher.destination set probe_at = now() - interval '1 second'");
    const free = async (): Promise<number> => {
      let freed = 0;
      for (let more = true; more; ) {
        const chunk = given(await freeReleased(pool, 0));
        freed += chunk.freed;
        more = chunk.more;
      }
      return freed;
    };

    await t.test(
      "HELD-1, HELD-2: a held row passes the parking; a birth moves it no further than the time for an answer",
      async () => {
        const [held, plain] = await insert([
          ...messages(1, () => ({ topic: "sleeps", holdMs: 900_000 })),
          ...messages(1, () => ({ topic: "sleeps" })),
        ]);
        await park(pool, "sleeps", [], "one");
        const { messages: rows } = given(await claimDue(pool, claim()));
        assert.deepEqual(
          rows.map((r) => [r.messageId, r.holdMs, r.noSession]),
          [[held, 900_000, false]],
        );
        await markSent(
          pool,
          rows.map((row) => attempt(row, { nextInMs: 902_000 })),
        );
        const heldFor = async (): Promise<number | null> => {
          const until = given(await getMessage(pool, held ?? ""))?.held_until ?? null;
          return until === null ? null : (Date.parse(until) - Date.now()) / 1_000;
        };
        assert.ok(((await heldFor()) ?? 0) > 890);
        assert.equal(await serve(pool, { topic: "sleeps", below: false }), 2);
        const left = (await heldFor()) ?? 0;
        assert.ok(left > 5 && left <= 15, `${left} s`);
        assert.equal(given(await getMessage(pool, plain ?? ""))?.held_until, null);
        const settled = rowsOf(await settleAcks(pool, [ack(held ?? "", { publishedAgoMs: null, attempt: null })]));
        assert.deepEqual(
          settled.map(({ topic }) => topic),
          ["sleeps"],
        );
      },
    );

    await t.test(
      "HELD-1: what the broker has no session for waits parked as others do, and its probe knows it",
      async () => {
        await insert(messages(1, () => ({ topic: "gone", holdMs: 900_000 })));
        const [row] = given(await claimDue(pool, claim())).messages;
        assert.ok(row !== undefined);
        await markSent(pool, [attempt(row, { reasonCode: 16, nextInMs: 0 })]);
        await park(pool, "gone", [], "one");
        assert.deepEqual(await topics(), ["1 parked"]);
        await probeNow();
        const { probes } = given(await probeDestinations(pool, PROBE));
        assert.deepEqual(
          probes.map(({ message: m }) => [m.holdMs, m.noSession]),
          [[900_000, true]],
        );
        // PROBE-4: this probe was a second late.
        const [planned] = await sql<{ ms: number }>(
          "select (extract(epoch from probe_at - now()) * 1000)::float8 ms from publisher.destination",
        );
        assert.ok((probes[0]?.message.nextProbeMs ?? 0) >= (planned?.ms ?? Number.NaN) + 1_000);
      },
    );

    await t.test("leased messages go aside; the rest follows as it becomes due; others are not touched", async () => {
      const [first] = await insert(messages(3, () => ({ topic: "dead/1" })));
      await insert(messages(1, () => ({ topic: "dead/1/below" })));
      await insert(messages(2, () => ({ topic: "alive" })));
      const rows = given(await claimDue(pool, claim({ limit: 1 }))).messages;
      assert.deepEqual(
        rows.map((r) => r.messageId),
        [first],
      );
      assert.deepEqual(rowsOf(await park(pool, "dead/1", [first ?? ""], "two")), [], "not another replica's lease");
      assert.equal(rowsOf(await park(pool, "dead/1", [first ?? ""], "one")).length, 1);
      assert.deepEqual(await topics(), ["alive", "alive", "dead/1/below", "2 parked"]);
      assert.equal(await parkedRows(), 3);
      assert.deepEqual(await topics(), []);
      assert.deepEqual(await parkedNames(), ["dead/1"]);
    });

    await t.test("the first n levels: everything below is one destination", async () => {
      given(await configureOutbox(pool, { ...SETTINGS, destinationLevels: 2 }));
      await insert(messages(2, (at) => ({ topic: `plant/7/${at}` })));
      await insert(messages(1, () => ({ topic: "plant/77/x" })));
      await insert(messages(1, () => ({ topic: "plant" })));
      await park(pool, "plant/7", [], "one");
      assert.deepEqual(await topics(), ["plant", "plant/77/x", "2 parked"]);
      await park(pool, "plant", [], "one");
      await insert(messages(1, () => ({ topic: "plant/8/x" })));
      assert.deepEqual(await topics(), ["plant/8/x"], "a destination shorter than n levels is that topic only");
    });

    await t.test(
      "a probe is one message of each destination, oldest first, at doubling pauses, once across replicas",
      async () => {
        const [oldest] = await insert(messages(3, () => ({ topic: "d/1" })));
        await insert(messages(1, () => ({ topic: "d/2" })));
        await park(pool, "d/1", [], "one");
        await park(pool, "d/2", [], "one");
        await topics();
        assert.deepEqual(given(await probeDestinations(pool, PROBE)).probes, [], "the first pause is not over");
        await probeNow();
        const both = await Promise.all([
          probeDestinations(pool, PROBE),
          probeDestinations(pool, { ...PROBE, instance: "two" }),
        ]);
        const probes = both.flatMap((result) => [...given(result).probes]);
        assert.deepEqual(probes.map((p) => p.destination).sort(), ["d/1", "d/2"]);
        assert.equal(probes.find((p) => p.destination === "d/1")?.message.messageId, oldest);
        assert.deepEqual(await sql("select distinct pause_ms from publisher.destination"), [{ pause_ms: 2_000 }]);
        // PROBE-1
        await park(pool, "d/1", [], "one", { tried: true, answeredAgoMs: 5 });
        for (let i = 0; i < 12; i++) {
          await probeNow();
          given(await probeDestinations(pool, PROBE));
        }
        assert.deepEqual(await sql("select pause_ms, misses from publisher.destination order by destination"), [
          { pause_ms: 60_000, misses: 14 },
          { pause_ms: 900_000, misses: 14 },
        ]);
        const [due] = await sql<{ least: number; most: number }>(
          `select min(extract(epoch from probe_at - now()) * 1000 / pause_ms)::float8 least,
            max(extract(epoch from probe_at - now()) * 1000 / pause_ms)::float8 most from publisher.destination`,
        );
        assert.ok((due?.least ?? 0) > 0.7 && (due?.most ?? 2) <= 1.25, JSON.stringify(due));
      },
    );

    // PROBE-2, PROBE-6
    await t.test("probes that stay unanswered stay parked, and the messages take turns", async () => {
      const ids = await insert(messages(3, () => ({ topic: "d/1" })));
      await park(pool, "d/1", [], "one");
      await topics();
      const probed: (string | undefined)[] = [];
      for (let i = 0; i < 5; i++) {
        await probeNow();
        const [probe] = given(await probeDestinations(pool, PROBE)).probes;
        assert.ok(probe);
        probed.push(probe.message.messageId);
        await markSent(pool, [attempt(probe.message)]);
        assert.deepEqual(await topics(), []);
      }
      assert.deepEqual(probed, [ids[0], ids[0], ids[0], ids[1], ids[1]]);
    });

    await t.test(
      "PROBE-5: a probe sends only the oldest live message of a key, also behind one of another destination",
      async () => {
        given(await configureOutbox(pool, { ...SETTINGS, destinationLevels: 2 }));
        const order = ["dev/A", "dev/B", "dev/C/z", ...Array.from({ length: 20 }, () => "dev/C/a"), "dev/D"];
        const keyOf = (topic: string): string => (topic.startsWith("dev/C") ? "c" : "k");
        const ids = await insert(
          messages(order.length, (at) => ({ topic: order[at] ?? "", orderingKey: keyOf(order[at] ?? "") })),
        );
        for (const name of ["dev/A", "dev/B", "dev/C"]) await park(pool, name, [], "one");
        for (let i = 0; i < 3; i++) await topics();
        await sql("update publisher.message_delivery set parked = true where topic <> 'dev/D'");
        const probed = async (): Promise<(string | undefined)[]> => {
          await probeNow();
          const { probes } = given(await probeDestinations(pool, PROBE));
          return probes.map(({ message: m }) => m.topic).sort();
        };
        assert.deepEqual(await probed(), ["dev/A", "dev/C/z"]);
        assert.deepEqual(await probed(), [], "the first ones are leased");
        await sql("update publisher.message_delivery set parked = false where topic = 'dev/A'");
        assert.deepEqual(await probed(), [], "and one that is not parked counts as well");
        await settleAcks(pool, [ack(ids[0] ?? ""), ack(ids[2] ?? "")]);
        assert.deepEqual(await probed(), ["dev/B", "dev/C/a"]);
        given(await unparkDestinations(pool, ["dev/B", "dev/C"]));
        await free();
        assert.deepEqual(await topics(), [], "DUE-2: what was parked behind another comes after it");
      },
    );

    await t.test("an answer brings everything back, and the destination is forgotten", async () => {
      await insert(messages(150, () => ({ topic: "d/1" })));
      await insert(messages(5, () => ({ topic: "d/2" })));
      await park(pool, "d/1", [], "one");
      await park(pool, "d/2", [], "one");
      given(await claimDue(pool, claim({ limit: 1_000 })));
      await probeNow();
      const probe = given(await probeDestinations(pool, PROBE)).probes.find((p) => p.destination === "d/1");
      assert.ok(probe);
      await settleAcks(pool, [ack(probe.message.messageId)]);
      assert.deepEqual(given(await unparkDestinations(pool, ["d/1", "unknown"])), ["d/1"]);
      assert.equal(await free(), 149);
      assert.equal((await topics()).length, 100);
      assert.deepEqual(await sql("select destination from publisher.destination"), [{ destination: "d/2" }]);
      assert.equal(await parkedRows(), 5);
    });

    // UNPARK-2
    await t.test("any publisher continues a release, in chunks", async () => {
      await insert(messages(5_000, () => ({ topic: "big" })));
      await park(pool, "big", [], "one");
      await sql("update publisher.message_delivery set parked = true");
      given(await unparkDestinations(pool, ["big"]));
      const first = given(await freeReleased(pool, 60_000));
      assert.deepEqual(first, { freed: 4_000, more: true });
      const [due] = await sql<{ n: number }>(
        "select count(*)::int4 n from publisher.message_delivery where not parked and due_at <= now()",
      );
      assert.ok((due?.n ?? 0) >= 64 && (due?.n ?? 0) < 200, `${due?.n} due immediately`);
      assert.deepEqual(given(await freeReleased(pool, 0)), { freed: 1_000, more: false });
      assert.deepEqual(given(await freeReleased(pool, 0)), { freed: 0, more: false });
    });

    await t.test("parked again while it is being let go: it stays parked", async () => {
      await insert(messages(10, () => ({ topic: "d/1" })));
      await park(pool, "d/1", [], "one");
      await topics();
      given(await unparkDestinations(pool, ["d/1"]));
      await park(pool, "d/1", [], "one");
      assert.equal(await free(), 0);
      assert.deepEqual(await parkedNames(), ["d/1"]);
    });

    // UNPARK-1
    await t.test("let go while a claim sets its rows aside: none stays behind", async (s) => {
      await sql(
        `create function slow_park() returns trigger language plpgsql as 'begin perform pg_sleep(0.05); return new; end'`,
      );
      await sql(`create trigger slow_park before update of parked on publisher.message_delivery
        for each row when (new.parked and not old.parked) execute function slow_park()`);
      s.after(() => sql("drop function slow_park cascade"));
      await insert(messages(10, () => ({ topic: "d/1" })));
      await park(pool, "d/1", [], "one");
      const claiming = topics();
      await until(
        async () =>
          (await sql("select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"))
            .length > 0,
        5_000,
      );
      given(await unparkDestinations(pool, ["d/1"]));
      await free();
      await claiming;
      await free();
      assert.equal(await parkedRows(), 0);
    });

    // PROBE-3
    await t.test("a destination in which nothing waits is forgotten at its probe", async () => {
      await park(pool, "empty", [], "one");
      await probeNow();
      assert.deepEqual(
        given(await probeDestinations(pool, PROBE)),
        { probes: [], forgotten: [] },
        "in flight ones may come",
      );
      await pool.run("update publisher.destination set parked_at = now() - interval '3 minutes'");
      await probeNow();
      assert.deepEqual(given(await probeDestinations(pool, PROBE)), { probes: [], forgotten: ["empty"] });
      assert.deepEqual(await parkedNames(), []);
      // A claim has parked it while the probe ran.
      await insert(messages(1, () => ({ topic: "empty" })));
      await sql("update publisher.message_delivery set parked = true");
      assert.equal(await free(), 1);
      assert.deepEqual(await sql("select from publisher.destination"), []);
    });

    await t.test(
      "untried: its new rows are claimed, those that wait are probed, and a try makes it silent",
      async () => {
        const [first] = await insert(messages(1, () => ({ topic: "d/1" })));
        given(await claimDue(pool, claim()));
        const untried = { tried: false, answeredAgoMs: null };
        assert.equal(rowsOf(await park(pool, "d/1", [first ?? ""], "one", untried)).length, 1);
        await insert(messages(1, () => ({ topic: "d/1" })));
        assert.deepEqual(await topics(), ["d/1"]);
        const none = given(await probeDestinations(pool, { ...PROBE, untried: 0 }));
        assert.deepEqual(none.probes, []);
        const { probes } = given(await probeDestinations(pool, { ...PROBE, silent: 0 }));
        assert.equal(probes[0]?.message.messageId, first, "its first probe has no pause");
        await insert(messages(1, () => ({ topic: "d/1" })));
        assert.deepEqual(await topics(), ["1 parked"], "from now on it counts as silent");
      },
    );

    await t.test("of the silent ones those that have answered before are probed first", async () => {
      for (const topic of ["never/1", "never/2", "before"]) {
        const [id] = await insert(messages(1, () => ({ topic })));
        given(await claimDue(pool, claim()));
        const answeredAgoMs = topic === "before" ? 5_000 : null;
        await park(pool, topic, [id ?? ""], "one", { tried: true, answeredAgoMs });
      }
      await probeNow();
      const { probes } = given(await probeDestinations(pool, { ...PROBE, silent: 2 }));
      assert.deepEqual(probes.map((p) => p.destination).sort(), ["before", "never/1"]);
    });

    await t.test("many destinations and their rows in one statement, each once", async () => {
      const ids = await insert(messages(1_000, (at) => ({ topic: `many/${at % 500}`, leased: true })));
      const facts = { tried: false, answeredAgoMs: null };
      const parkings = ids.map((messageId, at) => ({ destination: `many/${at % 500}`, messageId, ...facts }));
      assert.equal(rowsOf(await parkMessages(pool, parkings, "one")).length, 1_000);
      assert.equal((await parkedNames()).length, 500);
    });

    // DUE-5
    await t.test("parked lanes delay no other, however many there are", async () => {
      await insert(messages(5_000, (at) => ({ topic: `absent/${at}`, orderingKey: `a${at}` })));
      await sql("update publisher.message_delivery set parked = true");
      const behind = messages(2, () => ({ topic: "absent/1", orderingKey: "a1" }));
      const [other] = await insert([...messages(1, () => ({ topic: "alive", orderingKey: "z" })), ...behind]);
      const claimed = given(await claimDue(pool, claim()));
      assert.deepEqual(
        claimed.messages.map((m) => m.messageId),
        [other],
      );
      assert.equal(claimed.nextLaneCursor, "", "one claim saw all lanes");
      await park(pool, "absent/1", [], "one");
      assert.deepEqual(await topics(), ["1 parked"], "a row behind a parked one, of the same destination");
    });

    // DUE-6
    await t.test("of a claim from both ends half is the newest rows, each row once", async () => {
      const all = await insert(messages(30, (at) => ({ topic: `t/${at}` })));
      await sql(
        "update publisher.message_delivery set due_at = now() - interval '1 hour' + (seq % 1000) * interval '1 second'",
      );
      const { messages: rows } = given(await claimDue(pool, claim({ limit: 10, newest: 5 })));
      const places = rows.map((row) => all.indexOf(row.messageId)).sort((a, b) => a - b);
      assert.deepEqual(places, [0, 1, 2, 3, 4, 25, 26, 27, 28, 29]);
      assert.equal(given(await claimDue(pool, claim({ limit: 100, newest: 50 }))).messages.length, 20);
    });

    // DUE-6
    await t.test("a claim from both ends takes what there is, also where few rows are not the oldest", async () => {
      await insert(messages(50, (at) => ({ topic: `k/${at}`, orderingKey: `k${at}` })));
      await insert(messages(40, (at) => ({ topic: `t/${at}` })));
      const first = given(await claimDue(pool, claim({ limit: 60, newest: 30 }))).messages;
      assert.equal(first.length, 60);
      assert.equal(given(await claimDue(pool, claim({ limit: 60, newest: 30 }))).messages.length, 30);
    });

    await t.test("a keyed head that is parked holds its key", async () => {
      const [head, next] = await insert(messages(2, (at) => ({ topic: at === 0 ? "d/1" : "alive", orderingKey: "k" })));
      await park(pool, "d/1", [], "one");
      assert.deepEqual(await topics(), ["1 parked"]);
      assert.deepEqual(await topics(), []);
      await settleAcks(pool, [ack(head ?? "")]);
      assert.deepEqual(
        given(await claimDue(pool, claim())).messages.map((m) => m.messageId),
        [next],
      );
    });

    // DUE-4
    await t.test("the first PUBLISH of a retained message is let through, its retries are set aside", async () => {
      await insert(messages(1, () => ({ topic: "d/1", retain: true })));
      await park(pool, "d/1", [], "one");
      const [row] = given(await claimDue(pool, claim())).messages;
      assert.equal(row?.topic, "d/1");
      const record = {
        messageId: row?.messageId ?? "",
        leaseToken: row?.leaseToken ?? "",
        outcome: "acked",
        reasonCode: 0x10,
        breaker: "CLOSED",
        publishedAgoMs: 0,
        nextInMs: 0,
      } as const;
      assert.equal(rowsOf(await markSent(pool, [record])).length, 1);
      assert.deepEqual(await topics(), ["1 parked"]);
    });

    await t.test("topics longer than an index entry", async () => {
      const long = `long/${"x".repeat(60_000)}`;
      await insert([
        ...messages(1, () => ({ topic: long })),
        ...messages(1, () => ({ topic: `${long}y` })),
        ...messages(2, () => ({ topic: long, retain: true })),
      ]);
      await park(pool, long, [], "one");
      assert.deepEqual(
        (await topics()).map((topic) => topic?.length),
        [60_005, 60_006, 8],
        "of the long topic the first retained one, and one set aside",
      );
      await probeNow();
      assert.equal(given(await probeDestinations(pool, PROBE)).probes.length, 1);
      given(await unparkDestinations(pool, [long]));
      assert.equal(await free(), 1);
    });

    await t.test(
      // RESUME-1
      "a birth resumes what waits for its filters: waiting, parked and keyed rows, nothing else",
      async () => {
        const waiting = messages(200, (at) => ({ topic: `a/${at}`, orderingKey: at % 2 === 0 ? `k${at}` : null }));
        await insert(waiting);
        await insert(
          messages(3, () => ({ topic: "a/later", deliverAt: new Date(Date.now() + 3_600_000).toISOString() })),
        );
        await insert(messages(2, () => ({ topic: "other" })));
        await sql("update publisher.message_delivery set due_at = now() + interval '1 hour' where deliver_at is null");
        await insert(messages(2, () => ({ topic: "a/parked" })));
        await park(pool, "a/parked", [], "one");
        await park(pool, "b/parked", [], "one");
        await topics();
        assert.equal(await walk(pool, ["a/+"], 60_000), 202);
        const [due] = await sql(
          `select count(*) filter (where due_at <= now())::int4 now, count(*) filter (where due_at > now() and due_at < now() + interval '61 seconds')::int4 soon,
         count(*) filter (where due_at > now() + interval '61 seconds')::int4 later from publisher.message_delivery`,
        );
        const { now, soon, later } = due as { now: number; soon: number; later: number };
        assert.ok(now >= 64 && now < 90, `${now} due immediately`);
        assert.deepEqual([now + soon, later], [202, 5]);
        assert.deepEqual(await parkedNames(), ["b/parked"]);
      },
    );

    await t.test("a birth below a destination of n levels releases it only when something there matches", async () => {
      given(await configureOutbox(pool, { ...SETTINGS, destinationLevels: 2 }));
      await insert(messages(2, (at) => ({ topic: `plant/${at}/temp` })));
      await park(pool, "plant/0", [], "one");
      await park(pool, "plant/1", [], "one");
      assert.deepEqual(await topics(), ["2 parked"]);
      assert.equal(await walk(pool, ["plant/+/pressure"], 0), 0);
      assert.equal((await parkedNames()).length, 2);
      assert.equal(await walk(pool, ["x/#", "plant/1/+"], 0), 1);
      assert.deepEqual(await parkedNames(), ["plant/0"]);
      assert.equal(await serve(pool, { topic: "plant/0/pressure", below: false }), 0);
      assert.equal(await serve(pool, { topic: "plant/0", below: true }), 1);
      assert.deepEqual(await parkedNames(), []);
    });

    await t.test(
      "a birth of a topic, or of everything below it, resumes what waits there and nothing else",
      async () => {
        await insert(messages(70, () => ({ topic: "d/7" })));
        await insert(messages(1, () => ({ topic: "d/7/below" })));
        await insert(messages(1, () => ({ topic: "d/70" })));
        await insert(messages(1, () => ({ topic: "d" })));
        for (const name of ["d/7", "d/7/below", "d/70", "d", "d/7/empty"]) await park(pool, name, [], "one");
        assert.deepEqual(await topics(), ["73 parked"]);
        assert.equal(await serve(pool, { topic: "d/7", below: false }), 64, "a part of them at a time");
        assert.equal(await serve(pool, { topic: "d/7", below: false }), 6);
        assert.deepEqual((await topics()).length, 70);
        const left = async (): Promise<string[]> => (await parkedNames()).sort();
        assert.deepEqual(await left(), ["d", "d/7/below", "d/7/empty", "d/70"]);
        assert.equal(await serve(pool, { topic: "d/7", below: true }), 1, "what is leased is not touched");
        assert.deepEqual(await left(), ["d", "d/70"]);
        await sql(
          "update publisher.message_delivery set lease_owner = null, attempts = 1, due_at = now() + interval '1 hour'",
        );
        assert.equal(await serve(pool, { topic: "d/7", below: false }), 64, "what waits for its next attempt, too");
      },
    );

    await t.test("RESUME-1: a birth brings a rejected message no earlier than its receiver wants it", async () => {
      await insert(messages(64, () => ({ topic: "d/1" })));
      await sql(`update publisher.message_delivery set state = 'sent', attempts = 1, last_outcome = 'rejected', sent_at = now(),
        due_at = now() + interval '1 hour'`);
      await insert(messages(1, () => ({ topic: "d/1" })));
      await sql(
        "update publisher.message_delivery set attempts = 1, due_at = now() + interval '1 hour' where attempts = 0",
      );
      assert.equal(await serve(pool, { topic: "d/1", below: false }), 1, "and takes no other's place");
      assert.equal(await walk(pool, ["d/+"], 0), 0);
      assert.deepEqual(
        await sql("select last_outcome from publisher.message_delivery where due_at < now() + interval '59 minutes'"),
        [{ last_outcome: null }],
      );
      await park(pool, "d/1", [], "one");
      await sql("update publisher.message_delivery set parked = true where last_outcome = 'rejected'");
      assert.equal(await serve(pool, { topic: "d/1", below: false }), 64, "what is parked comes with its destination");
    });

    await t.test("a place of which nothing moved is not served again", async () => {
      await insert(messages(70, () => ({ topic: "d/1" })));
      await park(pool, "d/1", [], "one");
      await sql("update publisher.message_delivery set parked = true");
      await sql("update publisher.destination set births = 6, born_at = now()");
      await insert(messages(70, () => ({ topic: "d/2" })));
      await sql(
        "update publisher.message_delivery set attempts = 1, due_at = now() + interval '1 hour' where not parked",
      );
      const places = [
        { topic: "d/1", below: false },
        { topic: "d/2", below: false },
      ];
      const served = rowsOf(await servePlaces(pool, places, MEMORY));
      assert.deepEqual(
        served.map(({ topic, more, moved }) => [topic, more, moved]),
        [
          ["d/1", false, 64],
          ["d/2", true, 64],
        ],
      );
    });

    // RESUME-2
    await t.test(
      "a destination that a birth has resumed and that has not answered ignores births for a while",
      async () => {
        await insert(messages(1, () => ({ topic: "d/1" })));
        const parkAgain = async (): Promise<void> => {
          await park(pool, "d/1", [], "one");
          await sql("update publisher.message_delivery set parked = true");
        };
        const served: number[] = [];
        await parkAgain();
        for (const seconds of [0, 1, 1, 2, 2, 4, 4, 32, 29, 59, 1]) {
          await sql(`update publisher.destination set born_at = born_at - interval '${seconds} seconds'`);
          served.push(await serve(pool, { topic: "d/1", below: false }));
          await free();
          await parkAgain();
        }
        assert.deepEqual(served, [1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0]);
        await sql("update publisher.destination set last_answer_at = now()");
        assert.equal(await serve(pool, { topic: "d/1", below: false }), 1, "it has answered since");
        await free();
        assert.equal((await sql("select from publisher.destination")).length, 1, "remembered for a minute");
        await sql("update publisher.destination set born_at = now() - interval '61 seconds', probe_at = now()");
        await free();
        assert.equal((await sql("select from publisher.destination")).length, 0);
      },
    );
  });
}

const MEMORY = { ignoresBirths: () => false, resume: () => undefined };

/** One walk, as the publisher does it. @returns rows that became due */
async function walk(pool: Pool, filters: readonly string[], smearMs: number): Promise<number> {
  const birth = { tree: new TopicTree(filters), prefixes: prefixesOf(filters) };
  let rows = 0;
  for (let at: string | null = FIRST_ID; at !== null; ) {
    const page: { rows: number; next: string | null } = given(
      await walkWaiting(pool, at, birth, MEMORY, { moved: rows, smearMs }),
    );
    rows += page.rows;
    at = page.next;
  }
  return rows;
}

async function serve(pool: Pool, place: Place): Promise<number> {
  return rowsOf(await servePlaces(pool, [place], MEMORY))[0]?.moved ?? 0;
}
