/** Copies that a broker holds for a receiver that sleeps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BIRTH_GRACE_MS } from "@acktor/publisher/outbox/held-rows";
import { dispatcherRig, PUBACK, type Rig } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

const NO_SUBSCRIBER = { kind: "acked", reasonCode: 0x10 } as const;
const HOLD_MS = 900_000;
const HELD = { holdMs: HOLD_MS, topic: "meters/7" };
/** Ack timeout, and half of the first step of the backoff (`random` is 0.5). */
const RETRY_MS = 2_500;

function recorded(rig: Rig): void {
  rig.pass(150);
  rig.confirm();
}

test("HOLD-1: after its PUBACK a held message is due when the hold is over, and its copy lives longer", () => {
  const rig = dispatcherRig();
  const message = leased(HELD);
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  recorded(rig);
  assert.equal(rig.told.records[0]?.nextInMs, HOLD_MS + RETRY_MS - 100);
  assert.equal(rig.link.published[0]?.message.expirySeconds, Math.ceil((1.1 * (HOLD_MS + RETRY_MS)) / 1_000 + 5));
});

test("HOLD-1: a copy without a PUBACK is not held: the message is sent again after its ack timeout", () => {
  const rig = dispatcherRig();
  const message = leased(HELD);
  rig.offer(message);
  rig.settle(message.messageId, { kind: "lost", why: "deadline" });
  assert.equal(rig.told.records[0]?.nextInMs, RETRY_MS);
});

test("HOLD-2: silence of held copies parks no destination, and further copies leave the window when they are recorded", () => {
  const rig = dispatcherRig({ window: 16 });
  for (let round = 0; round < 5; round++) {
    const messages = Array.from({ length: 16 }, () => leased(HELD));
    rig.offer(...messages);
    for (const { messageId } of messages) rig.settle(messageId, PUBACK);
    recorded(rig);
    if (round === 0) {
      assert.equal(rig.dispatcher.unacked, 16);
      rig.pass(2_000);
    } else rig.pass(50);
    assert.equal(rig.dispatcher.unacked, 0, `round ${round}`);
  }
  assert.deepEqual(rig.told.parked, []);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 0);
  const next = leased(HELD);
  rig.offer(next);
  rig.settle(next.messageId, PUBACK);
  rig.ack(next.messageId);
  const awake = leased(HELD);
  rig.offer(awake);
  rig.settle(awake.messageId, PUBACK);
  recorded(rig);
  rig.pass(50);
  assert.equal(rig.dispatcher.unacked, 1, "an answer: it is awake");
});

test("HOLD-2: a parked destination gets its held messages, in their order", () => {
  const rig = dispatcherRig();
  rig.park("meters/7");
  const messages = Array.from({ length: 3 }, () => leased(HELD));
  rig.offer(...messages, leased({ topic: "meters/7" }));
  assert.deepEqual(
    rig.published(),
    messages.map((m) => m.messageId),
  );
  assert.equal(rig.told.parked.at(-1)?.messages.length, 1);
});

test("HOLD-3: where no session is there, nothing is held, and the first probe with another PUBACK resumes the destination", () => {
  const rig = dispatcherRig();
  const [first, second, third] = [leased(HELD), leased(HELD), leased(HELD)];
  rig.offer(first);
  rig.settle(first.messageId, NO_SUBSCRIBER);
  assert.equal(rig.told.records[0]?.nextInMs, RETRY_MS);
  rig.offer(second, { ...third, noSession: true });
  assert.deepEqual(rig.told.parked.at(-1)?.messages.length, 2, "set aside");
  rig.dispatcher.offer([{ ...first, noSession: true, nextProbeMs: 60_000 }], rig.now() + 15_000, true);
  rig.settle(first.messageId, PUBACK);
  assert.deepEqual(rig.told.unparked, ["meters/7"]);
  rig.offer(second);
  recorded(rig);
  rig.pass(2_000);
  assert.equal(rig.published().at(-1), second.messageId, "one at a time, until it answers or is known to sleep");
});

test("HELD-2: a birth gives a device with its session the time to answer the broker's copy", () => {
  const rig = dispatcherRig();
  const message = leased(HELD);
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.retryAtAckTimeout(() => true);
  recorded(rig);
  assert.equal(rig.told.records[0]?.nextInMs, BIRTH_GRACE_MS - 100);
});

test("the copy of a probe lives until the next probe", () => {
  const rig = dispatcherRig();
  const message = leased({ topic: "a", nextProbeMs: 60_000 });
  rig.dispatcher.offer([message], rig.now() + 15_000, true);
  assert.equal(rig.link.published[0]?.message.expirySeconds, 71);
});

test("the policy decides when a hold has ended as when an ack is late", () => {
  const policy = (_error: object, attempt: number) =>
    attempt >= 2 ? ({ kind: "dead_letter", reason: "enough" } as const) : ({ kind: "default" } as const);
  const rig = dispatcherRig({ policy });
  rig.offer(leased({ ...HELD, attempts: 1 }), leased({ ...HELD, attempts: 2 }));
  assert.deepEqual([rig.published().length, rig.told.failed.map(({ reason }) => reason)], [1, ["enough"]]);
});

test("a late answer resumes a parked destination, and one that may be parked in the outbox only", () => {
  const rig = dispatcherRig();
  rig.park("a");
  rig.dispatcher.health.answeredLate("a");
  assert.deepEqual(rig.told.unparked, ["a"]);
  assert.equal(
    rig.dispatcher.destinations().some(({ parked }) => parked),
    false,
  );
  rig.dispatcher.health.answeredLate("a");
  rig.dispatcher.health.answeredLate("b");
  assert.deepEqual(rig.told.unparked, ["a", "b"], "once each");
});
