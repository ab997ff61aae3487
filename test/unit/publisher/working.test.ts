/** A receiver that says it is at work: the publisher waits for it, and for it alone (ADR 12). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeAck, encodeAck } from "@acktor/shared/protocol/ack";
import { dispatcherRig, PUBACK } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";
import { plainAck, signed, trustOf } from "../../support/proof.ts";
import { settlerRig } from "../../support/settler-rig.ts";

test("a message in work is neither silent nor due; its row is updated when it has another due time", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(150);
  assert.equal(rig.told.records.length, 1);
  rig.confirm();
  const entry = rig.inFlight(message.messageId);
  assert.ok(entry);
  rig.dispatcher.postpone(entry, 10_000);
  assert.equal(rig.told.records.length, 2);
  assert.equal(rig.told.records[1]?.nextInMs, 10_000);
  rig.confirm();
  rig.pass(9_000);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 0);
  rig.dispatcher.postpone(entry, 500);
  assert.equal(rig.told.records.length, 2, "less patience than it has already changes nothing");
  rig.pass(1_100);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 1);
  assert.equal(rig.inFlight(message.messageId), null, "too late: its next attempt is the row's");
});

test("a request for patience before the record, or while it is written, is in the row all the same", () => {
  const rig = dispatcherRig();
  const [early, during] = [leased(), leased()];
  rig.offer(early, during);
  for (const { messageId } of [early, during]) rig.settle(messageId, PUBACK);
  const first = rig.inFlight(early.messageId);
  assert.ok(first);
  rig.dispatcher.postpone(first, 20_000);
  rig.pass(100);
  assert.deepEqual(
    rig.told.records.map((record) => record.nextInMs),
    [19_900, 2_400],
  );
  const second = rig.inFlight(during.messageId);
  assert.ok(second);
  rig.dispatcher.postpone(second, 20_000);
  assert.equal(rig.told.records.length, 2);
  rig.confirm();
  assert.equal(rig.told.records[2]?.messageId, during.messageId);
  assert.equal(rig.told.records[2]?.nextInMs, 20_000);
  rig.confirm();
  rig.pass(1_000);
  assert.equal(rig.told.records.length, 3, "once");
});

test("patience for an attempt that is over moves nothing", () => {
  const rig = dispatcherRig();
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(150);
  rig.confirm();
  const entry = rig.inFlight(message.messageId);
  assert.ok(entry);
  rig.ack(message.messageId);
  rig.dispatcher.postpone(entry, 10_000);
  rig.pass(11_000);
  assert.equal(rig.told.records.length, 1);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 0);
});

test("only an attempt that is in flight here, under its token, is waited for", () => {
  const waits: [string, number][] = [];
  const rig = settlerRig({ onWorking: (entry, forMs) => waits.push([entry.message.messageId, forMs]) });
  const { id } = rig.publish({ leaseToken: "7" });
  rig.receive(id, '{"status":"working","attempt_token":"7","working_for":2.5}');
  rig.receive(id.toUpperCase(), '{"status":"working","attempt_token":"7"}');
  rig.receive(id, '{"status":"working","attempt_token":"6","working_for":9}');
  rig.receive(id, '{"status":"working","working_for":9}');
  rig.forget(id);
  rig.receive(id, '{"status":"working","attempt_token":"7","working_for":9}');
  assert.deepEqual(waits, [
    [id, 2_500],
    [id, 10_000],
  ]);
  assert.equal(rig.settler.counts.working, 5);
  assert.deepEqual([rig.settled, rig.rejected, rig.answers], [[], [], []]);
});

test("signed patience counts from the PUBLISH: when a stranger repeats it, it ends at the same time", () => {
  const secret = "the secret of the acks";
  const waits: number[] = [];
  const rig = settlerRig({ trust: trustOf({ secrets: [secret] }), onWorking: (_, forMs) => waits.push(forMs) });
  const { id, entry } = rig.publish();
  const { topic, checksum } = entry.message;
  const working = { ...plainAck({ message_id: id, topic, checksum }), status: "working" as const };
  const first = encodeAck(signed({ ...working, working_for: 10, elapsed: 0.5 }, secret));
  rig.receive(id, first);
  rig.clock.at += 4_000;
  rig.receive(id, first);
  rig.clock.at += 7_000;
  rig.receive(id, first);
  assert.deepEqual(waits, [10_500, 6_500], "and nothing once it is over");
  rig.receive(id, encodeAck(signed({ ...working, working_for: 10, elapsed: 11 }, secret)));
  assert.equal(waits[2], 10_000, "the acker's own next request goes further");
});

test("a rejection may say when it wants to see the message again", async () => {
  const rig = settlerRig();
  const { id } = rig.publish({ leaseToken: "7", attempts: 2 });
  rig.receive(id, '{"status":"rejected","attempt_token":"7","retry_after":90}');
  await rig.writer.drain();
  assert.equal(rig.rejected.flat()[0]?.retryInMs, 90_000);
});

test("patience is a number of seconds, at most a day", () => {
  for (const value of ["-1", "86401", '"5"', "true", "[]", "1e999"]) {
    for (const field of ["working_for", "retry_after"]) {
      const decoded = decodeAck("x", Buffer.from(`{"status":"working","${field}":${value}}`));
      assert.equal(decoded.kind, "malformed", `${field} ${value}`);
    }
  }
  assert.equal(decodeAck("x", Buffer.from('{"status":"working","working_for":86400}')).kind, "ack");
});
