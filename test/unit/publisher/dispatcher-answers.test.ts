/** What becomes of each PUBLISH: its PUBACK, its ack, its record, its silence. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatcherRig, PUBACK } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

test("a PUBACK without an ack is recorded after 100 ms, with when the row is due again", () => {
  const rig = dispatcherRig();
  const message = leased({ leaseToken: "7" });
  rig.offer(message);
  rig.pass(30);
  rig.settle(message.messageId, PUBACK);
  rig.pass(99);
  assert.deepEqual(rig.told.records, []);
  rig.pass(1);
  assert.deepEqual(rig.told.records, [
    {
      messageId: message.messageId,
      leaseToken: "7",
      outcome: "acked",
      reasonCode: 0,
      breaker: "CLOSED",
      publishedAgoMs: 130,
      // A = 2 s, then half of the first second, less what has passed.
      nextInMs: 2_500 - 130,
    },
  ]);
  rig.pass(1_000);
  assert.equal(rig.told.records.length, 1);
});

test("the record contains the breaker's state", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.link.breaker = "HALF_OPEN";
  rig.settle(message.messageId, { kind: "refused", reasonCode: 0x97 });
  assert.equal(rig.told.records[0]?.breaker, "HALF_OPEN");
});

test("an ack within 100 ms saves the record", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(50);
  assert.equal(rig.ack(message.messageId), true);
  rig.pass(10_000);
  assert.deepEqual(rig.told.records, []);
  assert.equal(rig.dispatcher.unacked, 0);
  assert.deepEqual(rig.told.unparked, []);
});

test("an ack may come before the PUBACK", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.ack(message.messageId);
  assert.equal(rig.dispatcher.unacked, 0);
  rig.settle(message.messageId, PUBACK);
  rig.pass(10_000);
  assert.deepEqual([rig.told.records, rig.told.failed, rig.dispatcher.unacked], [[], [], 0]);
});

for (const outcome of [
  { kind: "lost", why: "deadline" },
  { kind: "lost", why: "disconnected" },
  { kind: "refused", reasonCode: 0x97 },
] as const) {
  test(`a PUBLISH that was ${outcome.kind} (${"why" in outcome ? outcome.why : "0x97"}) is recorded immediately and done`, () => {
    const rig = dispatcherRig();
    const message = leased();
    rig.offer(message);
    rig.pass(50);
    rig.settle(message.messageId, outcome);
    assert.equal(rig.told.records.length, 1);
    assert.equal(rig.told.records[0]?.outcome, outcome.kind);
    assert.equal(rig.told.records[0]?.reasonCode, outcome.kind === "refused" ? 0x97 : null);
    assert.equal(rig.told.records[0]?.nextInMs, 2_450);
    assert.equal(rig.dispatcher.unacked, 0);
    assert.equal(rig.ack(message.messageId), false);
  });
}

test("requires_ack false ends with the PUBACK, and does not measure a round trip", () => {
  const rig = dispatcherRig();
  const message = leased({ requiresAck: false });
  rig.offer(message);
  rig.pass(1_000);
  rig.settle(message.messageId, PUBACK);
  assert.equal(rig.told.brokerAcked[0]?.message, message);
  rig.pass(10_000);
  assert.deepEqual([rig.told.records, rig.dispatcher.unacked], [[], 0]);
});

test("an ack timeout ends the wait only when the attempt is recorded in the row", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(60_000);
  assert.deepEqual([rig.told.records.length, rig.dispatcher.unacked], [1, 1]);
  rig.confirm();
  rig.pass(50);
  assert.deepEqual([rig.dispatcher.counts.ackTimeouts, rig.dispatcher.unacked], [1, 0]);
});

test("a row whose lease another publisher holds is no longer in flight here", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(100);
  rig.confirm(new Set([message.messageId]));
  assert.equal(rig.dispatcher.unacked, 0);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 0);
});

test("only a first PUBLISH measures the round trip (Karn)", () => {
  const timeoutAfter = (attempts: number): number => {
    const rig = dispatcherRig();
    const message = leased({ attempts });
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(1_500);
    rig.ack(message.messageId);
    const next = leased({ attempts: 1 });
    rig.offer(next);
    rig.settle(next.messageId, { kind: "lost", why: "deadline" });
    // The spread of the second retry is 2 s, of which half.
    return (rig.told.records.at(-1)?.nextInMs ?? 0) - 1_000;
  };
  assert.equal(timeoutAfter(0), 1_500 + 4 * 750);
  assert.equal(timeoutAfter(1), 2_000);
});

test("IN_FLIGHT-1, IN_FLIGHT-2: a row that comes due again while it is in flight takes one place in the window, not two", () => {
  const rig = dispatcherRig();
  for (let round = 0; round < 40; round++) {
    const message = leased({ topic: "plant/7" });
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(100);
    rig.confirm();
    // A birth made the row due: the claim leases it again, with the next token.
    rig.offer({ ...message, leaseToken: "2", attempts: 1 });
    assert.equal(rig.dispatcher.unacked, 1);
    assert.equal(rig.inFlight(message.messageId)?.message.leaseToken, "2");
    rig.ack(message.messageId);
    assert.equal(rig.dispatcher.unacked, 0);
  }
  assert.equal(rig.dispatcher.destinations()[0]?.unacked, 0);
  assert.equal(rig.published().length, 80);
});

test("a claim that is ahead of the tick does not hide a silence", () => {
  const rig = dispatcherRig({ random: { next: () => 0 } });
  let message = leased();
  for (let silence = 1; silence <= 3; silence++) {
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(100);
    rig.confirm();
    rig.pass(1_850);
    assert.equal(rig.dispatcher.unacked, 1);
    // 1,950 ms after the PUBLISH; the ack timeout ends with the next tick, but the row was due at the same moment.
    rig.passWithoutTick(50);
    message = { ...message, leaseToken: String(silence + 1), attempts: silence };
  }
  rig.offer(message);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 3);
  assert.deepEqual(rig.told.parked, [
    { destination: "plant/1", messages: [] },
    { destination: "plant/1", messages: [message] },
  ]);
});

test("a birth brings forward what is in flight, to when its ack is late", () => {
  const rig = dispatcherRig();
  const [fresh, written, other] = [leased(), leased(), leased({ topic: "other" })];
  const elsewhere = leased({ topic: "other" });
  for (const message of [written, other]) {
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
  }
  rig.pass(100);
  rig.confirm();
  rig.offer(fresh, elsewhere);
  for (const { messageId } of [fresh, elsewhere]) rig.settle(messageId, PUBACK);
  rig.retryAtAckTimeout((topic) => topic === "plant/1");
  rig.pass(100);
  // What is written is leased no more: the outbox itself resumes it. The fresh one is recorded without its backoff.
  assert.deepEqual(
    rig.told.records.map((r) => [r.messageId, r.nextInMs]),
    [
      [written.messageId, 2_400],
      [other.messageId, 2_400],
      [fresh.messageId, 1_900],
      [elsewhere.messageId, 2_400],
    ],
  );
});

test("ATTEMPT_RECORDER-1: before it stops, a publisher records what has a PUBACK and no record", () => {
  const rig = dispatcherRig();
  const [done, waiting, written] = [leased(), leased(), leased()];
  rig.offer(written);
  rig.settle(written.messageId, PUBACK);
  rig.pass(100);
  rig.offer(done, waiting);
  rig.settle(done.messageId, PUBACK);
  rig.dispatcher.flushRecords();
  assert.deepEqual(
    rig.told.records.map((r) => r.messageId),
    [written.messageId, done.messageId],
  );
  rig.settle(waiting.messageId, PUBACK);
  rig.dispatcher.flushRecords();
  rig.dispatcher.flushRecords();
  assert.equal(rig.told.records.length, 3);
});

test("what was counted", () => {
  const rig = dispatcherRig();
  const outcomes = [
    PUBACK,
    { kind: "acked", reasonCode: 0x10 },
    { kind: "refused", reasonCode: 0x87 },
    { kind: "lost", why: "deadline" },
  ] as const;
  for (const [i, outcome] of outcomes.entries()) {
    const message = leased({ topic: `t/${i}`, attempts: i });
    rig.offer(message);
    rig.settle(message.messageId, outcome);
  }
  assert.deepEqual(rig.dispatcher.counts, {
    published: 4,
    republished: 3,
    puback: 2,
    noSubscriber: 1,
    refused: 1,
    lost: 1,
    ackTimeouts: 0,
    leaseMissed: 0,
  });
});
