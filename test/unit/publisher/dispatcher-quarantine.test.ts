/** A message that makes the broker disconnect is found, and no other message suffers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { dispatcherRig, PUBACK, type Rig } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

/** A row that was in flight at two ends of a connection. */
function suspect(rig: Rig): LeasedMessage {
  const message = leased({ topic: "suspect" });
  for (let end = 0; end < 2; end++) {
    rig.offer({ ...message, leaseToken: String(end + 1), attempts: end });
    rig.settle(message.messageId, { kind: "lost", why: "disconnected" });
  }
  return { ...message, leaseToken: "3", attempts: 2 };
}

test("a suspect is sent alone: after the messages in flight, before later messages", () => {
  const rig = dispatcherRig();
  const bad = suspect(rig);
  const [first, last] = [leased({ topic: "first" }), leased({ topic: "last" })];
  rig.offer(first);
  rig.offer(bad);
  rig.offer(last);
  assert.deepEqual(rig.published().slice(2), [first.messageId]);
  rig.settle(first.messageId, PUBACK);
  assert.deepEqual(rig.published().slice(3), [bad.messageId]);
  rig.settle(bad.messageId, PUBACK);
  assert.deepEqual(rig.published().slice(4), [last.messageId]);
});

test("busy neighbours do not keep a suspect from its turn", () => {
  const rig = dispatcherRig();
  const bad = suspect(rig);
  for (const topic of ["a", "b", "c"]) rig.offer(...Array.from({ length: 50 }, () => leased({ topic })));
  rig.offer(bad);
  const outstanding = rig.published().slice(2);
  for (const id of outstanding) rig.settle(id, PUBACK);
  assert.equal(rig.published().at(-1), bad.messageId);
  rig.settle(bad.messageId, PUBACK);
  for (const id of outstanding) rig.ack(id);
  assert.ok(rig.published().length > outstanding.length + 3);
});

test("a message at which the broker closes the connection five times is marked failed", () => {
  const rig = dispatcherRig();
  const bad = leased();
  for (let end = 0; end < 5; end++) {
    assert.deepEqual(rig.told.failed, []);
    rig.offer({ ...bad, leaseToken: String(end + 1), attempts: end });
    rig.settle(bad.messageId, { kind: "lost", why: "disconnected" });
  }
  assert.match(rig.told.failed[0]?.reason ?? "", /^quarantined/);
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
