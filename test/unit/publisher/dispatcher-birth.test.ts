/** An acker appears while messages are in flight: what was sent just before may have reached no receiver. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { dispatcherRig, PUBACK, TICK_MS } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

/** After nine tries the backoff is a minute: 2 s of ack timeout and half of 60 s here (`random` is 0.5). */
const LATE = { attempts: 9 };
const BACKOFF_MS = 32_000;
const ACK_TIMEOUT_MS = 2_000;

test("without a birth a message waits out its backoff", () => {
  const rig = dispatcherRig();
  const message = leased(LATE);
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(100);
  assert.equal(rig.told.records[0]?.nextInMs, BACKOFF_MS - 100);
});

test("what is in flight at a birth comes due with its ack timeout", () => {
  const rig = dispatcherRig();
  const [matching, other] = [leased({ ...LATE, topic: "plant/1" }), leased({ ...LATE, topic: "plant/2" })];
  rig.offer(matching, other);
  rig.settle(matching.messageId, PUBACK);
  rig.settle(other.messageId, PUBACK);
  rig.retryAtAckTimeout((topic) => topic === "plant/1");
  rig.pass(100);
  const next = new Map(rig.told.records.map((record) => [record.messageId, record.nextInMs]));
  assert.equal(next.get(matching.messageId), ACK_TIMEOUT_MS - 100);
  assert.equal(next.get(other.messageId), BACKOFF_MS - 100);
});

test("IN_FLIGHT-3: a birth during the write of the record has it written once more", () => {
  const rig = dispatcherRig();
  const message = leased(LATE);
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(100);
  rig.retryAtAckTimeout(() => true);
  rig.confirm();
  assert.deepEqual(
    rig.told.records.map((record) => record.nextInMs),
    [BACKOFF_MS - 100, ACK_TIMEOUT_MS - 100],
    "immediately: after a stop no tick follows",
  );
  assert.equal(rig.told.records[1]?.leaseToken, message.leaseToken, "the same attempt, which counts once");
  rig.confirm();
  rig.pass(TICK_MS);
  assert.equal(rig.told.records.length, 2, "once");
});

test("a birth after the record, or after the ack, changes nothing here", () => {
  const rig = dispatcherRig();
  const [written, acked] = [leased(LATE), leased(LATE)];
  rig.offer(written, acked);
  rig.settle(written.messageId, PUBACK);
  rig.settle(acked.messageId, PUBACK);
  rig.pass(100);
  rig.ack(acked.messageId);
  rig.retryAtAckTimeout((topic) => topic === "other");
  rig.confirm();
  rig.retryAtAckTimeout(() => true);
  rig.pass(100);
  assert.equal(rig.told.records.length, 2);
});

test("what was sent before a birth and stays unanswered does not park the destination of the new acker", () => {
  const rig = dispatcherRig();
  const send = () => {
    const message = leased();
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(100);
    rig.confirm();
    return message;
  };
  send();
  rig.pass(2_100);
  send();
  rig.pass(2_100);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 2, "on the way to be parked");
  send();
  assert.deepEqual(
    rig.unpark(() => true),
    [],
    "nothing was parked",
  );
  rig.pass(2_100);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 3);
  assert.equal(rig.told.parked.length, 0);
  assert.equal(rig.dispatcher.destinations()[0]?.window, 1, "and its window is a new one's");
  // Silence from now on counts again.
  for (let silence = 0; silence < 3; silence++) {
    send();
    rig.pass(2_100);
  }
  assert.deepEqual(
    rig.told.parked.map((parked) => parked.destination),
    ["plant/1"],
  );
});
