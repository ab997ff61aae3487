/** What ends a message, or puts it off: sent, acks, rejections, failure, expiry. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { classifyAcks } from "@acktor/publisher/outbox/classify-acks";
import { expireDue } from "@acktor/publisher/outbox/expire-due";
import { failMessages } from "@acktor/publisher/outbox/fail-messages";
import { getMessage, type MessageTimeline } from "@acktor/publisher/outbox/get-message";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { markSent } from "@acktor/publisher/outbox/mark-sent";
import type { AckRecord, LeasedMessage, NewMessage, Rejection } from "@acktor/publisher/outbox/outbox";
import { rejectMessages } from "@acktor/publisher/outbox/reject-messages";
import { settleAcks } from "@acktor/publisher/outbox/settle-acks";
import { topicInAck } from "@acktor/shared/protocol/ack";
import { v7 as uuidv7 } from "uuid";
import {
  ack,
  attempt,
  claim,
  given,
  INSERT,
  message,
  messages,
  rowsOf,
  type TestOutbox,
  testOutbox,
} from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";

/** One message, leased. */
async function leased({ pool }: TestOutbox, over: Partial<NewMessage> = {}): Promise<LeasedMessage> {
  const m = message(over);
  assert.ok((await insertMessages(pool, [m], INSERT)).ok);
  return claimAgain(pool, m.messageId);
}

async function claimAgain(pool: TestOutbox["pool"], messageId: string): Promise<LeasedMessage> {
  const row = given(await claimDue(pool, claim())).messages.find((r) => r.messageId === messageId);
  assert.ok(row, "it was not claimed");
  return row;
}

async function timeline({ pool }: TestOutbox, { messageId }: { messageId: string }): Promise<MessageTimeline> {
  const row = given(await getMessage(pool, messageId));
  assert.ok(row);
  return row;
}

const reject = (row: LeasedMessage, over: Partial<Rejection> = {}): Rejection => ({
  messageId: row.messageId,
  leaseToken: row.leaseToken,
  clientId: "acker",
  checksum: row.checksum,
  topic: null,
  signature: null,
  reason: "not today",
  retryable: true,
  retryInMs: 0,
  ...over,
});

for (const version of postgresVersions()) {
  test(`sent and settled, PostgreSQL ${version}`, async (t) => {
    const db = await testOutbox(t, version);
    const { pool, sql } = db;

    await t.test("sent: state, attempt, due again, no owner", async () => {
      const row = await leased(db);
      assert.deepEqual(rowsOf(await markSent(pool, [attempt(row, { nextInMs: 60_000, reasonCode: 16 })])), [
        { messageId: row.messageId },
      ]);
      const after = await timeline(db, row);
      assert.deepEqual(
        [after.state, after.retry_count, after.lease_owner, after.attempts.length],
        ["sent", 0, null, 1],
      );
      assert.deepEqual(
        [after.attempts[0]?.outcome, after.attempts[0]?.reason_code, after.attempts[0]?.breaker],
        ["acked", 16, "CLOSED"],
      );
      const due = Date.parse(after.due_at ?? "") - Date.parse(after.updated_at);
      assert.ok(due > 59_000 && due <= 60_000, String(due));
    });

    await t.test("lost and refused leave the state; retries count, earlier attempts are kept", async () => {
      const row = await leased(db);
      await markSent(pool, [attempt(row, { outcome: "lost", reasonCode: null, breaker: "HALF_OPEN" })]);
      assert.equal((await timeline(db, row)).state, "pending");
      const second = await claimAgain(pool, row.messageId);
      assert.equal(second.attempts, 1);
      await markSent(pool, [attempt(second, { outcome: "refused", reasonCode: 0x97 })]);
      const third = await claimAgain(pool, row.messageId);
      await markSent(pool, [attempt(third)]);
      const after = await timeline(db, row);
      assert.equal(after.retry_count, 2);
      assert.deepEqual(
        after.attempts.map((a) => [a.attempt, a.outcome, a.reason_code, a.breaker]),
        [
          [1, "lost", null, "HALF_OPEN"],
          [2, "refused", 0x97, "CLOSED"],
          [3, "acked", 0, "CLOSED"],
        ],
      );
    });

    // MARK_SENT-2
    await t.test("the same record twice counts one attempt", async () => {
      const row = await leased(db);
      const record = attempt(row, { nextInMs: 60_000 });
      await markSent(pool, [record]);
      assert.equal(rowsOf(await markSent(pool, [record])).length, 1);
      const after = await timeline(db, row);
      assert.deepEqual([after.retry_count, after.attempts.length], [0, 1]);
      assert.deepEqual(
        await sql("select attempts from publisher.message_delivery where message_id = $1", [row.messageId]),
        [{ attempts: 1 }],
      );
    });

    await t.test(
      // SETTLE-2
      "an ack settles, fills in the attempt whose write was saved, and is recorded once per client",
      async () => {
        const row = await leased(db);
        const settled = rowsOf(
          await settleAcks(pool, [ack(row.messageId, { attempt: 1, publishedAgoMs: 7, reasonCode: 0 })]),
        );
        assert.equal(settled.length, 1);
        assert.equal(settled[0]?.late, false);
        assert.ok((settled[0]?.ageMs ?? -1) >= 0);
        const after = await timeline(db, row);
        assert.deepEqual(
          [after.state, after.ack_level, after.due_at, after.lease_owner, after.late],
          ["acknowledged", "processed", null, null, false],
        );
        assert.deepEqual(
          after.attempts.map((a) => [a.attempt, a.outcome]),
          [[1, "acked"]],
        );
        assert.deepEqual(
          after.acks.map((a) => [a.client_id, a.level, a.late]),
          [["acker", "processed", false]],
        );
        assert.deepEqual(rowsOf(await settleAcks(pool, [ack(row.messageId)])), []);
      },
    );

    // MARK_SENT-1
    await t.test("an ack that comes before the sent write wins: the write finds nothing to do", async () => {
      const row = await leased(db);
      await settleAcks(pool, [ack(row.messageId)]);
      assert.deepEqual(rowsOf(await markSent(pool, [attempt(row)])), []);
      assert.equal((await timeline(db, row)).state, "acknowledged");
    });

    await t.test("a retry's attempt that was saved is filled in too, and the one before it is kept", async () => {
      const row = await leased(db);
      await markSent(pool, [attempt(row, { outcome: "lost", reasonCode: null })]);
      const second = await claimAgain(pool, row.messageId);
      await settleAcks(pool, [ack(row.messageId, { attempt: second.attempts + 1, publishedAgoMs: 3, reasonCode: 0 })]);
      const after = await timeline(db, row);
      assert.equal(after.retry_count, 1);
      assert.deepEqual(
        after.attempts.map((a) => [a.attempt, a.outcome]),
        [
          [1, "lost"],
          [2, "acked"],
        ],
      );
    });

    await t.test("checksums are compared, when given", async () => {
      const row = await leased(db);
      const wrong = ack(row.messageId, { checksum: `sha256:${"0".repeat(64)}` });
      assert.deepEqual(rowsOf(await settleAcks(pool, [wrong])), []);
      assert.deepEqual(rowsOf(await classifyAcks(pool, [wrong])), [
        { messageId: row.messageId, leftover: "checksum_mismatch" },
      ]);
      assert.equal((await timeline(db, row)).state, "pending");
      assert.equal(rowsOf(await settleAcks(pool, [ack(row.messageId, { checksum: row.checksum })])).length, 1);
    });

    // CLASSIFY-1
    await t.test("leftovers: duplicate, another client (recorded), unknown (never stored)", async () => {
      const row = await leased(db);
      const unknown = uuidv7();
      await settleAcks(pool, [ack(row.messageId)]);
      const left = rowsOf(
        await classifyAcks(pool, [ack(row.messageId), ack(row.messageId, { clientId: "second" }), ack(unknown)]),
      );
      assert.deepEqual(left.map((l) => [l.messageId === unknown ? "?" : "m", l.leftover]).sort(), [
        ["?", "unknown"],
        ["m", "duplicate"],
        ["m", "other_client"],
      ]);
      assert.deepEqual(
        (await timeline(db, row)).acks.map((a) => a.client_id),
        ["acker", "second"],
      );
      assert.deepEqual(await sql("select from publisher.delivery_acknowledgment where message_id = $1", [unknown]), []);
      assert.deepEqual(
        rowsOf(await classifyAcks(pool, [ack(row.messageId, { clientId: "second" })]))[0]?.leftover,
        "duplicate",
      );
    });

    await t.test("several acks of one message in one batch make one move", async () => {
      const row = await leased(db);
      const batch = [
        ack(row.messageId, { clientId: "b" }),
        ack(row.messageId, { clientId: "a" }),
        ack(row.messageId, { clientId: "a" }),
      ];
      assert.equal(rowsOf(await settleAcks(pool, batch)).length, 1);
      assert.equal((await timeline(db, row)).acks.length, 1);
    });

    await t.test("late: a failed and an expired message are acknowledged after all", async () => {
      const failed = await leased(db);
      await failMessages(pool, [{ ...failed, reason: "gave up" }]);
      const expired = await leased(db, { ttlMs: 1_000 });
      await sql("update publisher.message_delivery set expires_at = now() where message_id = $1", [expired.messageId]);
      assert.deepEqual(rowsOf(await expireDue(pool)), [{ messageId: expired.messageId }]);
      assert.deepEqual(
        [(await timeline(db, expired)).state, (await timeline(db, expired)).reason],
        ["expired", "expired"],
      );
      const settled = rowsOf(await settleAcks(pool, [ack(failed.messageId), ack(expired.messageId)]));
      assert.deepEqual(
        settled.map((s) => s.late),
        [true, true],
      );
      const after = await timeline(db, failed);
      assert.deepEqual(
        [after.state, after.late, after.reason, after.acks[0]?.late],
        ["acknowledged", true, "gave up", true],
      );
    });

    await t.test("broker level: PUBACK was all it asked for", async () => {
      const row = await leased(db, { requiresAck: false });
      await settleAcks(pool, [
        ack(row.messageId, { level: "broker", clientId: "broker", attempt: 1, publishedAgoMs: 1, reasonCode: 0 }),
      ]);
      assert.equal((await timeline(db, row)).ack_level, "broker");
    });

    await t.test("a settled row is not parked any more", async () => {
      const row = await leased(db);
      await sql("update publisher.message_delivery set parked = true where message_id = $1", [row.messageId]);
      await settleAcks(pool, [ack(row.messageId)]);
      assert.equal((await timeline(db, row)).parked, false);
    });

    await t.test("rejected, retryable: due again, counted once, in the timeline", async () => {
      const row = await leased(db);
      assert.deepEqual(rowsOf(await rejectMessages(pool, [reject(row)])), [
        { messageId: row.messageId, state: "pending" },
      ]);
      assert.deepEqual(rowsOf(await rejectMessages(pool, [reject(row)])), [], "the same rejection again");
      assert.deepEqual(
        rowsOf(await markSent(pool, [attempt(row, { nextInMs: 60_000 })])),
        [],
        "a PUBACK after the rejection",
      );
      const second = await claimAgain(pool, row.messageId);
      assert.equal(second.attempts, 1);
      await markSent(pool, [attempt(second, { nextInMs: 60_000 })]);
      assert.equal(rowsOf(await rejectMessages(pool, [reject(second, { reason: "still not" })]))[0]?.state, "sent");
      const after = await timeline(db, row);
      assert.equal(after.retry_count, 1);
      assert.equal(after.reason, "rejected: still not");
      assert.deepEqual(
        after.attempts.map((a) => [a.attempt, a.outcome, a.detail, a.client_id]),
        [
          [1, "rejected", "not today", "acker"],
          [2, "rejected", "still not", "acker"],
        ],
      );
    });

    await t.test("rejected permanently: failed, and never acknowledged by the rejection", async () => {
      const row = await leased(db);
      assert.equal(
        rowsOf(await rejectMessages(pool, [reject(row, { retryable: false, reason: "poison" })]))[0]?.state,
        "failed",
      );
      const after = await timeline(db, row);
      assert.deepEqual([after.state, after.reason, after.acks.length], ["failed", "rejected: poison", 0]);
    });

    await t.test("REJECT-2: a rejection without the row's checksum is never final", async () => {
      const row = await leased(db);
      const final = reject(row, { retryable: false, checksum: null });
      assert.deepEqual(rowsOf(await rejectMessages(pool, [final])), [{ messageId: row.messageId, state: "pending" }]);
    });

    await t.test(
      "REJECT-1, SETTLE-1: other content or another topic moves nothing, in flight here or not",
      async () => {
        const row = await leased(db);
        const others = [{ checksum: `sha256:${"0".repeat(64)}` }, { topic: "data/x" }];
        const leftovers = ["checksum_mismatch", "topic_mismatch"];
        for (const [at, other] of others.entries()) {
          for (const retryable of [true, false]) {
            assert.deepEqual(rowsOf(await rejectMessages(pool, [reject(row, { ...other, retryable })])), []);
          }
          const wrong = [ack(row.messageId, other)];
          assert.deepEqual(rowsOf(await settleAcks(pool, wrong)), []);
          assert.deepEqual(rowsOf(await classifyAcks(pool, wrong)), [
            { messageId: row.messageId, leftover: leftovers[at] },
          ]);
        }
        assert.equal((await timeline(db, row)).state, "pending");
        const right = ack(row.messageId, { topic: row.topic, checksum: row.checksum });
        assert.equal(rowsOf(await settleAcks(pool, [right])).length, 1);
      },
    );

    await t.test("a topic that no ack has room for is compared by its digest", async () => {
      const row = await leased(db, { topic: `a/${"é".repeat(600)}` });
      const wrong = ack(row.messageId, { topic: topicInAck(`a/${"e".repeat(1_100)}`) });
      assert.deepEqual(rowsOf(await settleAcks(pool, [wrong])), []);
      const right = ack(row.messageId, { topic: topicInAck(row.topic) });
      assert.equal(rowsOf(await settleAcks(pool, [right])).length, 1);
    });

    await t.test("the signature stands with the ack, of the first receiver and of further ones", async () => {
      const row = await leased(db);
      const signature = (key: string): string => `v2:hmac-sha256:${key.repeat(16)}:${"0".repeat(64)}`;
      const first = ack(row.messageId, { clientId: "a", signature: signature("a") });
      const second = ack(row.messageId, { clientId: "b", signature: signature("b"), token: "9" });
      await settleAcks(pool, [first]);
      await classifyAcks(pool, [second]);
      assert.deepEqual(
        await sql(
          `select client_id, signature, key_id, attempt_token from publisher.delivery_acknowledgment
           where message_id = $1 order by client_id`,
          [row.messageId],
        ),
        [
          { client_id: "a", signature: signature("a"), key_id: "a".repeat(16), attempt_token: row.leaseToken },
          { client_id: "b", signature: signature("b"), key_id: "b".repeat(16), attempt_token: "9" },
        ],
      );
    });

    await t.test("CLASSIFY-2: of one message 100 further receivers are kept, the others are counted", async () => {
      const row = await leased(db);
      await settleAcks(pool, [ack(row.messageId, { clientId: "first" })]);
      const crowd = (from: number, to: number): AckRecord[] =>
        Array.from({ length: to - from }, (_, i) => ack(row.messageId, { clientId: `made-up ${from + i}` }));
      const kinds = async (acks: AckRecord[]): Promise<Record<string, number>> => {
        const counts: Record<string, number> = {};
        for (const { leftover } of rowsOf(await classifyAcks(pool, acks)))
          counts[leftover] = (counts[leftover] ?? 0) + 1;
        return counts;
      };
      assert.deepEqual(await kinds(crowd(0, 60)), { other_client: 60 });
      assert.deepEqual(await kinds(crowd(0, 300)), { duplicate: 60, other_client: 40, too_many: 200 });
      assert.deepEqual(await kinds(crowd(300, 310)), { too_many: 10 });
    });

    await t.test("rejected with no try left: failed max_retries", async () => {
      const row = await leased(db, { maxRetries: 1 });
      await rejectMessages(pool, [reject(row)]);
      const second = await claimAgain(pool, row.messageId);
      assert.equal(rowsOf(await rejectMessages(pool, [reject(second)]))[0]?.state, "failed");
      assert.equal((await timeline(db, row)).reason, "max_retries");
      const only = await leased(db, { maxRetries: 0 });
      assert.equal(rowsOf(await rejectMessages(pool, [reject(only)]))[0]?.state, "failed");
    });

    // REJECT-3
    await t.test("rejected with an old token, or after the end: nothing", async () => {
      const row = await leased(db);
      assert.deepEqual(rowsOf(await rejectMessages(pool, [reject(row, { leaseToken: "0" })])), []);
      await settleAcks(pool, [ack(row.messageId)]);
      assert.deepEqual(rowsOf(await rejectMessages(pool, [reject(row)])), []);
    });

    await t.test("expiry goes in batches, from any live state, and leaves what lives", async () => {
      await sql("truncate publisher.message_delivery");
      assert.ok(
        (
          await insertMessages(
            pool,
            messages(1_200, () => ({ ttlMs: 60_000 })),
            INSERT,
          )
        ).ok,
      );
      assert.ok((await insertMessages(pool, messages(3), INSERT)).ok);
      await sql("update publisher.message_delivery set expires_at = now() where expires_at is not null");
      await sql("update publisher.message_delivery set state = 'sent' where seq % 2 = 0");
      assert.equal(rowsOf(await expireDue(pool)).length, 1_000);
      assert.equal(rowsOf(await expireDue(pool)).length, 200);
      assert.deepEqual(rowsOf(await expireDue(pool)), []);
      assert.deepEqual(await sql("select count(*)::int4 n from publisher.message_delivery where due_at is not null"), [
        { n: 3 },
      ]);
    });
  });
}
