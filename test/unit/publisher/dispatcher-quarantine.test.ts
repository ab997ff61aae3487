/** A message that makes the broker disconnect is found, and no other message suffers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { dispatcherRig, PUBACK, type Rig } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

/** Longer than a suspect waits for its turn, shorter than a lease. */
const TURN_MS = 13_000;

/** A row at which the broker closed the connection, when its turn has come. */
function suspect(rig: Rig): LeasedMessage {
  const message = leased({ topic: "suspect" });
  rig.offer(message);
  rig.settle(message.messageId, { kind: "lost", why: "disconnected" });
  rig.passWithoutTick(TURN_MS);
  return { ...message, leaseToken: "2", attempts: 1 };
}

// SENDING-4
test("before its turn a suspect goes back to the outbox, and other messages go", () => {
  const rig = dispatcherRig();
  const [bad, good] = [leased({ topic: "bad" }), leased({ topic: "good" })];
  rig.offer(bad);
  rig.settle(bad.messageId, { kind: "lost", why: "disconnected" });
  rig.offer({ ...bad, leaseToken: "2", attempts: 1 }, good);
  assert.deepEqual(rig.published().slice(1), [good.messageId]);
  assert.deepEqual(
    rig.told.released.map(({ messages, dueInMs }) => [messages[0]?.messageId, dueInMs]),
    [[bad.messageId, 4_000]],
  );
});

test("a suspect is sent alone: after the messages in flight, before later messages", () => {
  const rig = dispatcherRig();
  const bad = suspect(rig);
  const [first, last] = [leased({ topic: "first" }), leased({ topic: "last" })];
  rig.offer(first);
  rig.offer(bad);
  rig.offer(last);
  assert.deepEqual(rig.published().slice(1), [first.messageId]);
  rig.settle(first.messageId, PUBACK);
  assert.deepEqual(rig.published().slice(2), [bad.messageId]);
  rig.settle(bad.messageId, PUBACK);
  assert.deepEqual(rig.published().slice(3), [last.messageId]);
});

test("busy neighbours do not keep a suspect from its turn", () => {
  const rig = dispatcherRig();
  const bad = suspect(rig);
  for (const topic of ["a", "b", "c"]) rig.offer(...Array.from({ length: 50 }, () => leased({ topic })));
  rig.offer(bad);
  const outstanding = rig.published().slice(1);
  for (const id of outstanding) rig.settle(id, PUBACK);
  assert.equal(rig.published().at(-1), bad.messageId);
  rig.settle(bad.messageId, PUBACK);
  for (const id of outstanding) rig.ack(id);
  assert.ok(rig.published().length > outstanding.length + 3);
});

test("a message at which the broker closes the connection each time is marked failed, with the broker's reason", () => {
  const rig = dispatcherRig();
  const bad = leased();
  for (let end = 0; end < 3; end++) {
    assert.deepEqual(rig.told.failed, []);
    const good = leased({ topic: "good" });
    rig.offer(good);
    rig.settle(good.messageId, PUBACK);
    rig.offer({ ...bad, leaseToken: String(end + 1), attempts: end });
    rig.settle(bad.messageId, { kind: "lost", why: "disconnected", cause: { kind: "disconnect", code: 0x95 } });
    rig.passWithoutTick(TURN_MS);
  }
  assert.match(rig.told.failed[0]?.reason ?? "", /^quarantined: .*\(disconnected: packet too large\)$/);
  assert.deepEqual(
    rig.told.records.map(({ outcome, reasonCode }) => [outcome, reasonCode]),
    [0, 1, 2].map(() => ["lost", 0x95]),
  );
});

test("an ack clears a suspect too, with its PUBACK still to come", () => {
  const rig = dispatcherRig();
  const fine = leased();
  rig.offer(fine);
  rig.settle(fine.messageId, { kind: "lost", why: "disconnected" });
  rig.offer({ ...fine, leaseToken: "2", attempts: 1 });
  rig.ack(fine.messageId);
  for (let end = 0; end < 4; end++) {
    rig.offer({ ...fine, leaseToken: String(end + 3), attempts: end + 2 });
    rig.settle(fine.messageId, { kind: "lost", why: "disconnected" });
  }
  assert.deepEqual(rig.told.failed, []);
});

// QUARANTINE-1
for (const outcome of [
  { kind: "refused", reasonCode: 0x87 },
  { kind: "lost", why: "deadline" },
] as const) {
  test(`after a suspect that ended by "${outcome.kind}" messages go together again`, () => {
    const rig = dispatcherRig();
    const bad = suspect(rig);
    rig.offer(bad);
    rig.settle(bad.messageId, outcome);
    const others = ["a", "b", "c"].map((topic) => leased({ topic }));
    rig.offer(...others);
    assert.deepEqual(
      rig.published().slice(2),
      others.map(({ messageId }) => messageId),
    );
    assert.equal(rig.dispatcher.hangUps() === null, outcome.kind === "refused");
  });
}

// QUARANTINE-5
test("at QoS 0 a write to the socket clears no suspect and is no answer", () => {
  const rig = dispatcherRig();
  const bad = leased();
  for (let end = 0; end < 4; end++) {
    const written = leased({ topic: "written", qos: 0 });
    rig.offer(written);
    rig.settle(written.messageId, PUBACK);
    rig.offer({ ...bad, leaseToken: String(end + 1), attempts: end });
    rig.settle(bad.messageId, { kind: "lost", why: "disconnected" });
    rig.passWithoutTick(TURN_MS);
  }
  assert.deepEqual(rig.told.failed, []);
});
