/** The inbox's statements on real PostgreSQL: first time, duplicates, leases, guards, partitions. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { sql as fragment } from "@acktor/acker";
import { commitEffects, findProcessed, LEASE_LOST } from "@acktor/acker/inbox/commit-effects";
import { type Finished, finishMessages } from "@acktor/acker/inbox/finish-messages";
import { keepPartitions } from "@acktor/acker/inbox/keep-partitions";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import { Newness, type Receipt, type ReceiveOptions, receiveMessages } from "@acktor/acker/inbox/receive-messages";
import { renewLeases } from "@acktor/acker/inbox/renew-leases";
import { BatchStore } from "@acktor/acker/process/batch-store";
import { inboxKey } from "@acktor/acker/verify/message-id";
import { migrate } from "@acktor/shared/db/migrate";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import { SYSTEM_RANDOM } from "@acktor/shared/runtime/clock";
import { sql, testPool } from "../support/acker.ts";
import { type PostgresVersion, postgresVersions, testDatabase } from "../support/postgres.ts";

const directory = fileURLToPath(new URL("../../services/acker/migrations", import.meta.url));
const MINUTE = 60_000;
const DAY = 86_400_000;

async function inbox(t: TestContext, version: PostgresVersion): Promise<Pool> {
  const { url } = await testDatabase(t, { version });
  const pool = testPool(t, url);
  const migrated = await migrate(pool, { schema: "acker", directory });
  assert.ok(migrated.ok, JSON.stringify(migrated));
  const kept = await keepPartitions(pool, 30 * DAY, new AbortController().signal);
  assert.deepEqual(kept, { ok: true, rows: [{ made: 5, dropped: [], deleted: 0 }] });
  return pool;
}

/** The UUIDv7 of a time. */
function uuidAt(ms: number): string {
  const hex = Math.floor(ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${randomUUID().slice(15)}`;
}

function messageOf(id: string, content = "x", over: Partial<InboxMessage> = {}): InboxMessage {
  return {
    ...inboxKey(id),
    topic: "data/a",
    content,
    contentEncoding: "utf8",
    contentType: null,
    checksum: checksumOf(content, "utf8"),
    attemptToken: "1",
    retryCount: 0,
    expiresAt: null,
    answerTo: null,
    ...over,
  };
}

const ROW: ReceiveOptions = { born: "processed", owner: "a/1", leaseMs: MINUTE, batch: null };
const AFTER: ReceiveOptions = { born: "received", owner: "a/1", leaseMs: MINUTE, batch: null };

async function receive(pool: Pool, message: InboxMessage, options: ReceiveOptions): Promise<Receipt> {
  const answer = await receiveMessages(pool, [{ message, deliveries: 1 }], options, null);
  assert.ok(answer.ok, JSON.stringify(answer));
  const [receipt] = answer.rows;
  assert.ok(receipt);
  return receipt;
}

async function finish(pool: Pool, finished: Finished): Promise<number> {
  const answer = await finishMessages(pool, [finished]);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.rows.length;
}

for (const version of postgresVersions()) {
  const pg = `PostgreSQL ${version}`;

  // INBOX_ROW-1
  // RECEIVE-1, RECEIVE-2
  test(`${pg}: the first delivery has the effect, later ones are counted`, async (t) => {
    const pool = await inbox(t, version);
    const message = messageOf(uuidAt(Date.now()));
    const first = await receive(pool, message, ROW);
    assert.deepEqual([first.deliveries, first.status, first.mine], [1, "processed", false]);
    const again = await receive(pool, { ...message, attemptToken: "2" }, ROW);
    assert.deepEqual([again.deliveries, again.status], [2, "processed"]);
    const other = await receive(pool, messageOf(message.messageId, "y"), ROW);
    assert.deepEqual([other.deliveries, other.checksum], [2, message.checksum]);
    const rows = await sql(pool, "select content, attempt_token, tableoid::regclass::text as part from acker.inbox");
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    assert.deepEqual(rows, [{ content: "x", attempt_token: "1", part: `acker.inbox_${day}` }]);
  });

  test(`${pg}: a batch that looks new and is not returns what the inbox holds of each message`, async (t) => {
    const pool = await inbox(t, version);
    const newness = new Newness();
    const [old, fresh, later] = [0, 1, 2].map((i) => ({ message: messageOf(uuidAt(Date.now() + i)), deliveries: 1 }));
    assert.ok(old && fresh && later);
    const receipts = async (batch: (typeof old)[]): Promise<[string, number, string][]> => {
      const answer = await receiveMessages(pool, batch, ROW, newness);
      assert.ok(answer.ok, JSON.stringify(answer));
      return answer.rows.map((r) => [r.messageId, r.deliveries, r.status]);
    };
    assert.deepEqual(await receipts([old]), [[old.message.messageId, 1, "processed"]]);
    assert.ok(newness.expects([fresh]));
    assert.deepEqual(await receipts([fresh, old]), [
      [old.message.messageId, 2, "processed"],
      [fresh.message.messageId, 1, "processed"],
    ]);
    assert.ok(!newness.expects([later]), "after a conflict batches are looked at for a while");
    assert.deepEqual(await receipts([later]), [[later.message.messageId, 1, "processed"]]);
    const handled = await receiveMessages(
      pool,
      [{ message: messageOf(uuidAt(Date.now())), deliveries: 1 }],
      AFTER,
      new Newness(),
    );
    assert.ok(handled.ok);
    assert.deepEqual(
      handled.rows.map((r) => [r.status, r.mine]),
      [["received", true]],
    );
    const [sum] = await sql(pool, "select count(*)::int as rows, sum(deliveries)::int as deliveries from acker.inbox");
    assert.deepEqual(sum, { rows: 4, deliveries: 5 });
  });

  test(`${pg}: a message that was sent before, or is twice in its batch, is not treated as new`, () => {
    const newness = new Newness();
    const message = messageOf(uuidAt(Date.now()));
    assert.ok(newness.expects([{ message, deliveries: 1 }]));
    assert.ok(!newness.expects([{ message, deliveries: 2 }]));
    assert.ok(!newness.expects([{ message: { ...message, retryCount: 1 }, deliveries: 1 }]));
    newness.wasWrong();
    for (let i = 0; i < 200; i++) assert.ok(!newness.expects([{ message, deliveries: 1 }]));
    assert.ok(newness.expects([{ message, deliveries: 1 }]));
  });

  test(`${pg}: two ackers with the same 500 ids at once: each id once, no deadlock`, async (t) => {
    const pool = await inbox(t, version);
    const ids = Array.from({ length: 500 }, () => uuidAt(Date.now()));
    const batch = ids.map((id) => ({ message: messageOf(id), deliveries: 1 }));
    const runs = Array.from({ length: 8 }, (_, i) =>
      receiveMessages(pool, i % 2 ? batch : batch.toReversed(), ROW, null),
    );
    const answers = await Promise.all(runs);
    const receipts = answers.flatMap((answer) => (answer.ok ? [...answer.rows] : []));
    assert.equal(receipts.length, 4_000);
    assert.equal(receipts.filter((receipt) => receipt.deliveries === 1).length, 500);
    const [sum] = await sql(pool, "select count(*)::int as rows, sum(deliveries)::int as deliveries from acker.inbox");
    assert.deepEqual(sum, { rows: 500, deliveries: 4_000 });
  });

  // FINISH-1, FINISH-3, RECEIVE-5
  test(`${pg}: a lease belongs to its owner until it expires; then the next delivery is handled again`, async (t) => {
    const pool = await inbox(t, version);
    const message = messageOf(uuidAt(Date.now()));
    assert.equal((await receive(pool, message, AFTER)).mine, true);
    assert.equal((await receive(pool, message, { ...AFTER, owner: "b/1" })).mine, false);
    assert.equal((await receive(pool, message, AFTER)).mine, true, "redone after an ambiguous commit");
    await sql(pool, "update acker.inbox set lease_until = now() - interval '1 second'");
    assert.equal((await receive(pool, message, { ...AFTER, owner: "b/2" })).mine, true);
    const done = { messageId: message.messageId, status: "processed", reason: null } as const;
    assert.equal(await finish(pool, { ...done, owner: "a/1" }), 0, "fenced out");
    assert.equal(await finish(pool, { ...done, owner: "b/2" }), 1);
    assert.equal(await finish(pool, { ...done, owner: "b/2" }), 1, "redone after an ambiguous commit");
    assert.deepEqual((await receive(pool, message, { ...AFTER, owner: "c/1" })).status, "processed");
  });

  test(`${pg}: a lease that expires while its acker still runs, as when the database stalls, does not count as a crash`, async (t) => {
    const pool = await inbox(t, version);
    const message = messageOf(uuidAt(Date.now()));
    /** Takes a lease and notes the handler's start. The lease expires immediately. */
    const take = async (owner: string): Promise<Receipt> => {
      const receipt = await receive(pool, message, { ...AFTER, owner, leaseMs: 0 });
      await sql(pool, "update acker.inbox set handling = true");
      return receipt;
    };
    for (const batch of [1, 2, 3, 4, 5, 6]) {
      const { mine, crashes, status } = await take(`a/run1/${batch}`);
      assert.deepEqual({ mine, crashes, status }, { mine: true, crashes: 0, status: "received" });
    }
    // A receiver of a later run knows that the earlier run has ended.
    assert.equal((await take("a/run2/1")).crashes, 1);
    assert.equal((await take("a/run3/1")).crashes, 2);
    assert.deepEqual((await take("a/run4/1")).status, "rejected");
  });

  test(`${pg}: COMMIT-1, COMMIT-2, COMMIT-3: effects commit with every lease of their statement, or not at all`, async (t) => {
    const pool = await inbox(t, version);
    await sql(pool, "create table effect (id uuid primary key)");
    const [mine, lost] = [messageOf(uuidAt(Date.now())), messageOf(uuidAt(Date.now()))];
    for (const message of [mine, lost]) await receive(pool, message, AFTER);
    await sql(pool, "update acker.inbox set lease_owner = 'b/1' where message_id = $1::uuid", [lost.messageId]);
    const items = [mine, lost].map(({ messageId }) => ({
      lease: { messageId, owner: "a/1" },
      effect: fragment`insert into effect (id) values (${messageId})`,
    }));
    const fenced = await commitEffects(pool, { items, row: null });
    assert.equal(fenced.ok ? "" : fenced.failure.code, LEASE_LOST);
    const done =
      "select (select count(*)::int from effect) effects, count(*)::int rows from acker.inbox where status = 'processed'";
    assert.deepEqual(await sql(pool, done), [{ effects: 0, rows: 0 }]);
    const alone = { items: items.slice(0, 1), row: null };
    assert.ok((await commitEffects(pool, alone)).ok);
    assert.deepEqual(await sql(pool, done), [{ effects: 1, rows: 1 }]);
    const again = await commitEffects(pool, alone);
    assert.equal(again.ok ? "" : again.failure.code, LEASE_LOST);
    const found = await findProcessed(
      pool,
      items.map(({ lease }) => lease),
    );
    assert.deepEqual(found.ok && found.rows.map(({ messageId }) => messageId), [mine.messageId]);
  });

  test(`${pg}: only the owner of a lease can extend it`, async (t) => {
    const pool = await inbox(t, version);
    const message = messageOf(uuidAt(Date.now()));
    await receive(pool, message, { ...AFTER, leaseMs: 1 });
    const lease = { messageId: message.messageId, owner: "a/1" };
    const renewed = await renewLeases(pool, [{ ...lease, owner: "b/1" }], MINUTE);
    assert.ok(renewed.ok && renewed.rows.length === 0);
    const mine = await renewLeases(pool, [lease], MINUTE);
    assert.ok(mine.ok && mine.rows.length === 1);
    assert.equal((await receive(pool, message, { ...AFTER, owner: "b/1" })).mine, false);
  });

  // FINISH-2, RECEIVE-1
  test(`${pg}: a released message is handled again; a rejected one is final until the outbox replays it`, async (t) => {
    const pool = await inbox(t, version);
    const message = messageOf(uuidAt(Date.now()));
    await receive(pool, message, AFTER);
    const end = { messageId: message.messageId, owner: "a/1", reason: "later" };
    assert.equal(await finish(pool, { ...end, status: "received" }), 1);
    assert.equal(
      (await receive(pool, { ...message, attemptToken: "2", retryCount: 1 }, { ...AFTER, owner: "a/2" })).mine,
      true,
    );
    assert.equal(await finish(pool, { ...end, owner: "a/2", status: "rejected", reason: "no" }), 1);
    const retry = await receive(pool, { ...message, attemptToken: "3", retryCount: 2 }, { ...AFTER, owner: "a/3" });
    assert.deepEqual([retry.status, retry.reason], ["rejected", "no"]);
    const copy = await receive(pool, { ...message, attemptToken: "2", retryCount: 0 }, { ...AFTER, owner: "a/4" });
    assert.equal(copy.status, "rejected", "a late copy of the attempt that was rejected");
    const replay = await receive(pool, { ...message, attemptToken: "4", retryCount: 0 }, { ...AFTER, owner: "a/5" });
    assert.deepEqual([replay.mine, replay.reason], [true, null]);
  });

  // INBOX_ROW-2, INBOX_ROW-3
  test(`${pg}: the database refuses illegal moves and rewritten content from anyone`, async (t) => {
    const pool = await inbox(t, version);
    const now = Date.now();
    const ids = { received: uuidAt(now), processed: uuidAt(now), rejected: uuidAt(now), foreign: "a1b2c3d4e5f60718" };
    await receive(pool, messageOf(ids.received), AFTER);
    await receive(pool, messageOf(ids.processed), ROW);
    await receive(pool, messageOf(ids.foreign), ROW);
    await receive(pool, messageOf(ids.rejected), AFTER);
    await finish(pool, { messageId: ids.rejected, owner: "a/1", status: "rejected", reason: "no" });
    const refused = async (set: string, id: string): Promise<void> => {
      await assert.rejects(
        sql(pool, `update acker.inbox set ${set} where message_id = $1::uuid`, [id]),
        { code: "23514" },
        set,
      );
    };
    await refused("status = 'received', processed_at = null", ids.processed);
    await refused("status = 'rejected', reason = 'x', processed_at = null", ids.processed);
    await refused("status = 'received', processed_at = null", inboxKey(ids.foreign).messageId);
    await refused("status = 'processed', processed_at = now()", ids.rejected);
    await refused("status = 'done'", ids.received);
    await refused("processed_at = null", ids.processed);
    await refused("content = 'other'", ids.processed);
    await refused("topic = 'other'", ids.received);
    await refused("lease_until = now()", ids.processed);
    await refused("deliveries = 0", ids.received);
    await refused("checksum = 'md5:1'", ids.received);
    await refused("message_id = gen_random_uuid()", ids.processed);
  });

  // STORE-3
  test(`${pg}: of 500 messages only the poison message fails`, async (t) => {
    const pool = await inbox(t, version);
    const batch = Array.from({ length: 500 }, (_, i) => {
      const message = messageOf(uuidAt(Date.now()), i === 333 ? "a\u0000b" : `content ${i} "quoted" \\ {}`);
      return { message, deliveries: 1, all: [{ message, held: {} as never }] };
    });
    const troubles = {
      report<T>(area: string, result: T & { readonly ok: boolean }): T {
        assert.ok(result.ok, area);
        return result;
      },
    };
    const store = new BatchStore({
      inbox: { receive: (part, options) => receiveMessages(pool, part, options, null) },
      lifetimes: { isExpired: () => false },
      ...{ troubles, random: SYSTEM_RANDOM },
      signal: new AbortController().signal,
    });
    const results = await store.store(batch, ROW);
    const kinds = batch.map(({ message }) => results.get(message.messageId)?.kind);
    assert.equal(kinds.filter((kind) => kind === "stored").length, 499);
    assert.equal(kinds[333], "refused");
    const [row] = await sql(pool, "select content from acker.inbox where message_id = $1::uuid", [
      batch[7]?.message.messageId ?? "",
    ]);
    assert.equal(row?.["content"], 'content 7 "quoted" \\ {}');
  });

  test(`${pg}: old days are dropped as partitions, stragglers stay, the default partition is emptied`, async (t) => {
    const pool = await inbox(t, version);
    const old = Date.now() - 40 * DAY;
    const [made] = await sql(
      pool,
      `select format('create table acker.inbox_%s partition of acker.inbox for values from (%L) to (%L)', to_char(d, 'YYYYMMDD'),
         acker.uuid_from(d at time zone 'UTC'), acker.uuid_from((d + interval '1 day') at time zone 'UTC')) as ddl
       from (select date_trunc('day', to_timestamp($1::float8 / 1000) at time zone 'UTC') as d) x`,
      [old],
    );
    await sql(pool, String(made?.["ddl"]));
    const [gone, straggler, foreignOld] = [uuidAt(old), uuidAt(old), "foreign-old"];
    for (const id of [gone, straggler, foreignOld, "foreign-new", uuidAt(Date.now())])
      await receive(pool, messageOf(id), ROW);
    await sql(
      pool,
      "update acker.inbox set received_at = now() - interval '39 days' where message_id = $1::uuid or external_id = $2",
      [gone, foreignOld],
    );
    const kept = await keepPartitions(pool, 30 * DAY, new AbortController().signal);
    assert.ok(kept.ok, JSON.stringify(kept));
    const [{ dropped, deleted, made: missing } = assert.fail("no row")] = kept.rows;
    assert.deepEqual([dropped.length, deleted, missing], [1, 1, 0]);
    const rows = await sql(pool, "select message_id, external_id, tableoid::regclass::text as part from acker.inbox");
    assert.equal(rows.length, 3);
    assert.equal(rows.find((row) => row["message_id"] === straggler)?.["part"], "acker.inbox_default");
    assert.deepEqual((await receive(pool, messageOf(straggler), ROW)).deliveries, 2, "still a duplicate");
  });

  test(`${pg}: a partition in use is skipped until later, and no statement waits for it`, async (t) => {
    const { url } = await testDatabase(t, { version });
    const pool = testPool(t, url);
    assert.ok((await migrate(pool, { schema: "acker", directory })).ok);
    await sql(
      pool,
      "create table acker.inbox_20200102 partition of acker.inbox for values from (acker.uuid_from('2020-01-02Z')) to (acker.uuid_from('2020-01-03Z'))",
    );
    const holder = createPool({ url, size: 1, applicationName: "acktor-test-holder" });
    t.after(() => holder.stop());
    await holder.run("begin; select count(*) from acker.inbox", [], { simple: true });
    const never = new AbortController().signal;
    const held = await keepPartitions(pool, 30 * DAY, never);
    assert.ok(!held.ok && held.failure.code === "55P03", JSON.stringify(held));
    assert.equal((await receive(pool, messageOf("meanwhile"), ROW)).status, "processed");
    await holder.run("commit", [], { simple: true });
    const free = await keepPartitions(pool, 30 * DAY, never);
    assert.ok(free.ok && free.rows[0]?.dropped[0] === "inbox_20200102", JSON.stringify(free));
  });
}
