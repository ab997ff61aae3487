/** One lease for a batch whose handlers run before its rows are written: on real PostgreSQL, then in an acker. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { sql as fragment, processed, rejected } from "@acktor/acker";
import { type BatchLease, beginBatch, endBatch, leaveBatches, sweepBatches } from "@acktor/acker/inbox/batch-lease";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import { migrateInbox } from "@acktor/acker/inbox/migrate-inbox";
import { PostgresInbox } from "@acktor/acker/inbox/postgres-inbox";
import { Newness, type Receipt, receiveMessages } from "@acktor/acker/inbox/receive-messages";
import { receiveProcessed, receiveWithEffects } from "@acktor/acker/inbox/receive-with-effects";
import { HandleFirst } from "@acktor/acker/process/handle-first";
import { inboxKey } from "@acktor/acker/verify/message-id";
import type { Pool } from "@acktor/shared/db/pool";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { pause } from "@acktor/shared/runtime/pause";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import postgres from "postgres";
import { sql, testPool } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { libraryRig } from "../support/library-acker.ts";
import { type PostgresVersion, postgresVersions, testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const MINUTE = 60_000;
type Slot = Pick<BatchLease, "run" | "slot">;
const A: Slot = { run: "a/1", slot: 0 };
const B: Slot = { run: "b/1", slot: 0 };
const NEVER = new AbortController().signal;

async function inbox(t: TestContext, version: PostgresVersion): Promise<Pool> {
  const { url } = await testDatabase(t, { version });
  const pool = testPool(t, url);
  assert.ok((await migrateInbox(pool)).ok);
  return pool;
}

function inboxOn(pool: Pool): PostgresInbox {
  return new PostgresInbox({ pool, slots: {} as never, migrates: false, logger: {} as never });
}

function messageOf(id: string): InboxMessage {
  return {
    ...inboxKey(id),
    topic: "t/a",
    content: "x",
    contentEncoding: "utf8",
    contentType: null,
    checksum: checksumOf("x", "utf8"),
    attemptToken: "1",
    retryCount: 0,
    expiresAt: null,
    answerTo: null,
  };
}

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID()).sort();

async function begin(pool: Pool, slot: Slot, batch: readonly string[], leaseMs = MINUTE): Promise<boolean> {
  const answer = await beginBatch(pool, { ...slot, ids: batch }, leaseMs);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.rows[0]?.begun === true;
}

/** As an acker with handlers does. @param slot of the caller's lease on the batch, which is certain */
async function takeOn(pool: Pool, run: string, batch: readonly string[], slot?: Slot): Promise<Receipt[]> {
  const items = batch.map((id) => ({ message: messageOf(id), deliveries: 1 }));
  const held = slot === undefined ? null : { ...slot, ids: batch, isCertain: true };
  const options = { born: "received", owner: `${run}/1`, leaseMs: MINUTE, batch: held } as const;
  const answer = await receiveMessages(pool, items, options, new Newness());
  assert.ok(answer.ok, JSON.stringify(answer));
  return [...answer.rows];
}

for (const version of postgresVersions()) {
  const pg = `PostgreSQL ${version}`;

  // INBOX_ROW-4
  test(`${pg}: BATCH_LEASE-1, BATCH_LEASE-3: a message is in one batch, and in none when the inbox has it`, async (t) => {
    const pool = await inbox(t, version);
    const [first = "", second = "", third = ""] = ids(3);
    assert.equal(await begin(pool, A, [first, second]), true);
    assert.equal(await begin(pool, B, [second, third]), false);
    assert.equal(await begin(pool, { ...A, slot: 1 }, [first, third]), false);
    assert.equal(await begin(pool, B, [third]), true);
    // The slot's next batch replaces the previous one.
    await takeOn(pool, "a/1", [first], A);
    assert.equal(await begin(pool, A, [second]), true);
    assert.equal(await begin(pool, { ...A, slot: 1 }, [first]), false);
    // The previous batch's end comes late, and has no effect.
    assert.ok((await endBatch(pool, { ...A, ids: [first, second] })).ok);
    assert.equal(await begin(pool, { ...A, slot: 1 }, [second]), false);
    assert.ok((await endBatch(pool, { ...A, ids: [second] })).ok);
    assert.equal(await begin(pool, { ...A, slot: 1 }, [second]), true);
  });

  test(`${pg}: RECEIVE-3, RECEIVE-4: a message of a live batch is skipped; one that a dead process held is a suspect`, async (t) => {
    const pool = await inbox(t, version);
    const [lost = "", other = ""] = ids(2);
    assert.equal(await begin(pool, A, [lost], 300), true);
    const receipts = await takeOn(pool, "b/1", [lost, other]);
    const seen = new Map(receipts.map(({ messageId, mine, inBatch }) => [messageId, { mine, inBatch }]));
    assert.deepEqual(seen.get(lost), { mine: false, inBatch: true });
    assert.deepEqual(seen.get(other), { mine: true, inBatch: false });
    assert.deepEqual(await sql(pool, "select message_id::text id from acker.inbox"), [{ id: other }]);
    await pause(400, NEVER);
    const [suspect] = await takeOn(pool, "b/1", [lost]);
    assert.deepEqual([suspect?.mine, suspect?.crashes], [true, 1]);
    // Its own run has not crashed: the database stalled.
    const [stalled = ""] = ids(1);
    assert.equal(await begin(pool, A, [stalled], 1), true);
    await pause(20, NEVER);
    const [own] = await takeOn(pool, "a/1", [stalled]);
    assert.deepEqual([own?.mine, own?.crashes], [true, 0]);
  });

  test(`${pg}: BATCH_LEASE-1: of a batch and a receiver at the same moment one has the message, in either order`, async (t) => {
    const pool = await inbox(t, version);
    const won = { batch: 0, receiver: 0 };
    for (let round = 0; round < 150; round++) {
      const batch = ids(20);
      const taking = round % 2 === 0 ? takeOn(pool, "b/1", batch) : null;
      const beginning = begin(pool, A, batch);
      const [begun, receipts] = await Promise.all([beginning, taking ?? takeOn(pool, "b/1", batch)]);
      const mine = receipts.filter((receipt) => receipt.mine).length;
      assert.equal(mine, begun ? 0 : 20, `round ${round}: begun ${begun}, received ${mine}`);
      won[begun ? "batch" : "receiver"]++;
      await endBatch(pool, { ...A, ids: batch });
    }
    t.diagnostic(`the batch had it ${won.batch} times, the receiver ${won.receiver} times`);
  });

  test(`${pg}: of two batches at the same moment one begins`, async (t) => {
    const pool = await inbox(t, version);
    for (let round = 0; round < 150; round++) {
      const batch = ids(20);
      const begun = await Promise.all([begin(pool, A, batch), begin(pool, B, batch)]);
      assert.equal(begun.filter(Boolean).length, 1, `round ${round}`);
      await Promise.all([A, B].map((slot) => endBatch(pool, { ...slot, ids: batch })));
    }
  });

  test(`${pg}: BATCH_LEASE-2, WITH_EFFECTS-1, WITH_EFFECTS-2: the lease ends with the rows, and holds where these are refused`, async (t) => {
    const pool = await inbox(t, version);
    const left = () => sql(pool, "select cardinality(message_ids) size from acker.batch_lease");
    const [id = "", known = ""] = ids(2);
    const item = { message: messageOf(id), deliveries: 1 };
    assert.equal(await begin(pool, A, [id]), true);
    await takeOn(pool, "b/1", [known]);
    const clash = [item, { message: messageOf(known), deliveries: 1 }];
    const lease = { ...A, ids: [id] };
    const refused = await receiveProcessed(pool, clash, lease);
    assert.equal(refused.ok ? "" : refused.failure.code, "23505");
    assert.deepEqual(await left(), [{ size: 1 }]);
    await sql(pool, "create table effect (id uuid primary key)");
    const effect = fragment`insert into effect (id) values (${id})`;
    assert.ok((await receiveWithEffects(pool, { items: [{ item, effect }], row: null }, lease)).ok);
    assert.deepEqual(await left(), [{ size: 0 }]);
    const rows = await sql(pool, `select status from acker.inbox join effect on id = message_id`);
    assert.deepEqual(rows, [{ status: "processed" }]);
  });

  test(`${pg}: a run that stops deletes its rows; the sweep keeps suspects for a day`, async (t) => {
    const pool = await inbox(t, version);
    const left = () => sql(pool, "select run from acker.batch_lease order by run");
    const [one = "", two = "", three = ""] = ids(3);
    assert.equal(await begin(pool, A, [one], 1), true);
    assert.equal(await begin(pool, B, [two]), true);
    assert.equal(await begin(pool, { run: "c/1", slot: 0 }, [three]), true);
    await endBatch(pool, { ...B, ids: [two] });
    assert.ok((await leaveBatches(pool, "c/1")).ok);
    assert.deepEqual(await left(), [{ run: "a/1" }, { run: "b/1" }]);
    assert.ok((await sweepBatches(pool)).ok);
    assert.deepEqual(await left(), [{ run: "a/1" }]);
    await sql(pool, "update acker.batch_lease set lease_until = now() - interval '25 hours'");
    assert.ok((await sweepBatches(pool)).ok);
    assert.deepEqual(await left(), []);
  });

  test(`${pg}: a begin waits 100 ms for its lock, and its commit does not wait for the disk`, async (t) => {
    const { url } = await testDatabase(t, { version });
    const pool = testPool(t, url);
    assert.ok((await migrateInbox(pool)).ok);
    const other = postgres(url, { max: 1, onnotice: () => undefined });
    cleanUp(t, () => other.end());
    const [one = "", two = ""] = ids(2);
    await other.begin(async (tx) => {
      const shown = async () => (await tx`show synchronous_commit`)[0]?.["synchronous_commit"] as unknown;
      assert.equal(await shown(), "on");
      await tx`select acker.begin_batch('x', 0::int2, array[${one}]::uuid[], '1 minute')`;
      assert.equal(await shown(), "off");
      // A receiver holds the same lock, and may wait for a row meanwhile.
      const startedAt = performance.now();
      const blocked = await beginBatch(pool, { ...A, ids: [two] }, MINUTE);
      assert.equal(blocked.ok ? "" : blocked.failure.code, "55P03");
      assert.ok(performance.now() - startedAt < 4_000);
    });
    assert.equal(await begin(pool, A, [two]), true);
  });

  test(`${pg}: FIRST-4: a begin whose answer is lost blocks no acker's messages, and ends`, async (t) => {
    const pool = await inbox(t, version);
    const lossy: Pool = {
      ...pool,
      run: async (text, params, options) => {
        const answer = await pool.run<never>(text, params, options);
        const lost = {
          kind: "unavailable",
          code: "08006",
          message: "gone",
          constraint: null,
          maybeCommitted: true,
        } as const;
        return text.includes("begin_batch") ? { ok: false, failure: lost } : answer;
      },
    };
    const first = new HandleFirst({
      ...{ inbox: inboxOn(lossy), run: "a/1", leaseMs: MINUTE, clock: { now: () => 0 } },
      runs: { begin: () => assert.fail("no handler may begin") },
      lifetimes: { isExpired: () => false },
      signal: NEVER,
      troubles: NO_TROUBLES,
    });
    const items = ids(20).map((id) => ({ message: messageOf(id), deliveries: 1 }));
    const handled = await first.handle(items);
    assert.deepEqual([handled.rest.length, handled.stored.length, handled.begun.size], [20, 0, 0]);
    const [row] = await sql(pool, "select cardinality(message_ids) size from acker.batch_lease");
    assert.deepEqual(row, { size: 20 });
    const options = { born: "received", owner: "a/1/1", leaseMs: MINUTE, batch: handled.lease } as const;
    const answer = await receiveMessages(pool, handled.rest, options, new Newness());
    assert.ok(answer.ok);
    assert.deepEqual(
      answer.rows.map(({ mine, crashes }) => [mine, crashes]),
      Array.from({ length: 20 }, () => [true, 0]),
    );
    await first.end(handled);
    const [ended] = await sql(pool, "select cardinality(message_ids) size from acker.batch_lease");
    assert.deepEqual(ended, { size: 0 });
  });

  test(`${pg}: the database refuses half a lease, and one that is too large`, async (t) => {
    const pool = await inbox(t, version);
    const code = async (values: string) => {
      const answer = await pool.run(`insert into acker.batch_lease values ('x', 0, ${values})`);
      return answer.ok ? "" : answer.failure.code;
    };
    assert.equal(await code("now(), '{}', null, null"), "23514");
    assert.equal(await code(`null, array[gen_random_uuid()], null, null`), "23514");
    const many = "array(select gen_random_uuid() from generate_series(1, 1001))";
    assert.equal(await code(`now(), ${many}, gen_random_uuid(), gen_random_uuid()`), "23514");
  });
}

test("FIRST-2, FIRST-3: quick handlers are written once; others go the usual way; each handler runs once", async (t) => {
  const rig = await libraryRig(t);
  const runs = new Map<string, number>();
  const count = (id: string): void => void runs.set(id, (runs.get(id) ?? 0) + 1);
  await rig.start({
    "t/at-once": ({ id }) => {
      count(id);
      return fragment`insert into effect (id, n) values (${id}, 1)`;
    },
    "t/async": async ({ id }) => {
      count(id);
      return fragment`insert into effect (id, n) values (${id}, ${2})`;
    },
    "t/nothing": ({ id }) => {
      count(id);
      return processed;
    },
    "t/waits": async ({ id }, { signal }) => {
      count(id);
      await pause(30, signal);
      return fragment`insert into effect (id, n) values (${id}, 3)`;
    },
    "t/refuses": ({ id }) => {
      count(id);
      return rejected("not this one", { retryable: false });
    },
    "t/broken": ({ id }) => {
      count(id);
      return fragment`insert into effect (id, n) values (${id}, ${"no number"})`;
    },
    "t/update": ({ id }) => {
      count(id);
      return fragment`update counter set n = n + 1 where name = 'all'`;
    },
  });
  const topics = ["at-once", "async", "nothing", "waits", "refuses", "broken", "update"];
  // A part of the broken ones at a time: after one the next batches go the usual way.
  const sent: string[] = [];
  for (const topic of topics) {
    const batch = Array.from({ length: 30 }, (_, n) => `${topic}-${n}`);
    await Promise.all(batch.map((id) => rig.send(`t/${topic}`, id)));
    sent.push(...batch);
  }
  for (const id of sent) await rig.answer(id);
  assert.deepEqual(
    sent.filter((id) => runs.get(id) !== 1),
    [],
  );
  const [rows] = await rig.ask(`select
    count(*) filter (where lease_owner is null and external_id ~ '^(at-once|async|nothing)')::int once,
    count(*) filter (where lease_owner is not null and external_id ~ '^(waits|refuses|broken|update)')::int usual,
    count(*) filter (where status = 'processed')::int processed, count(*) filter (where status = 'rejected')::int rejected
    from acker.inbox`);
  // Two batches may be under way when one of them turns out to wait, so not every one of the first kinds must be early.
  assert.equal(rows?.["usual"], 120);
  assert.ok(Number(rows?.["once"]) >= 30, JSON.stringify(rows));
  assert.deepEqual([rows?.["processed"], rows?.["rejected"]], [150, 60]);
  assert.deepEqual(await rig.ask("select n, count(*)::int rows from effect group by n order by n"), [
    { n: 1, rows: 30 },
    { n: 2, rows: 30 },
    { n: 3, rows: 30 },
  ]);
  assert.deepEqual(await rig.ask("select n from counter"), [{ n: 30 }]);
  assert.deepEqual(await rig.ask("select count(*)::int live from acker.batch_lease where lease_until is not null"), [
    { live: 0 },
  ]);
});

test("two ackers that receive everything: each handler runs for a message once, in either acker", async (t) => {
  const rig = await libraryRig(t);
  const runs = new Map<string, number>();
  const handlers = {
    "t/#": ({ id }: { id: string }) => {
      runs.set(id, (runs.get(id) ?? 0) + 1);
      return fragment`insert into effect (id, n) values (${id}, 1)`;
    },
  };
  await rig.start(handlers);
  await rig.start(handlers, { instance: "library-2" });
  await until(() => rig.client.on("delivery/acker/library-2").length > 0, 10_000, "the second acker");
  const sent = Array.from({ length: 600 }, (_, n) => `m-${n}`);
  await Promise.all(sent.map((id) => rig.send("t/a", id)));
  for (const id of sent) await rig.answer(id);
  assert.deepEqual(
    sent.filter((id) => runs.get(id) !== 1),
    [],
  );
  assert.deepEqual(await rig.ask("select count(*)::int rows from effect"), [{ rows: 600 }]);
  const seen = async () => (await rig.ask("select sum(deliveries)::int times from acker.inbox"))[0]?.["times"];
  await until(async () => (await seen()) === 1_200, 10_000, "both deliveries to be counted");
});
