import assert from "node:assert/strict";
import { test } from "node:test";
import { Destination, type QueuedMessage, SILENCE_LIMIT } from "@acktor/publisher/dispatch/destination";
import { leased } from "../../support/leased.ts";

const BOUNDS = { minMs: 2_000, maxMs: 30_000 };

function queued(probe = false): QueuedMessage {
  return { message: leased(), leaseEndsAt: 15_000, expiresAt: null, probe };
}

test("it is ready while its queue holds something and its window has room", () => {
  const destination = new Destination("a");
  assert.equal(destination.ready, false);
  destination.queue.push(queued());
  assert.equal(destination.ready, true);
  destination.inFlight = destination.windowSize;
  assert.equal(destination.ready, false);
  destination.inFlight--;
  assert.equal(destination.ready, true);
});

test("DESTINATION-1: a parked destination takes nothing but a probe, and a probe may exceed the window", () => {
  const destination = new Destination("a");
  destination.parked = true;
  destination.queue.push(queued());
  assert.equal(destination.ready, false);
  destination.queue.unshift(queued(true));
  assert.equal(destination.ready, true);
  destination.inFlight = destination.windowSize;
  assert.equal(destination.ready, true);
});

test("DESTINATION-2: silence counts once per ack timeout, and the third one in a row parks", () => {
  const destination = new Destination("a");
  destination.heard(0);
  assert.equal(SILENCE_LIMIT, 3);
  assert.equal(destination.silent(10_000, BOUNDS), false);
  for (let i = 0; i < 100; i++) assert.equal(destination.silent(11_999, BOUNDS), false);
  assert.equal(destination.silent(12_000, BOUNDS), false);
  assert.equal(destination.silent(14_000, BOUNDS), true);
});

test("DESTINATION-4: one message before an answer, after a silence, and after a minute of quiet", () => {
  const destination = new Destination("a");
  const windows = [destination.windowSize];
  destination.answered(0, null, 512);
  windows.push(destination.windowSize);
  destination.silent(5_000, BOUNDS);
  windows.push(destination.windowSize);
  destination.answered(6_000, null, 512);
  destination.reconsider(66_000);
  windows.push(destination.windowSize);
  destination.inFlight = 1;
  destination.reconsider(66_001);
  windows.push(destination.windowSize);
  destination.inFlight = 0;
  destination.reconsider(66_001);
  windows.push(destination.windowSize);
  assert.deepEqual(windows, [1, 17, 1, 8, 8, 1]);
});

test("DESTINATION-5: one that never answered is parked at its first silence", () => {
  assert.equal(new Destination("a").silent(10_000, BOUNDS), true);
});

test("an answer forgets silence", () => {
  const destination = new Destination("a");
  destination.silent(10_000, BOUNDS);
  destination.silent(12_000, BOUNDS);
  destination.answered(12_500, null, 512);
  assert.equal(destination.silent(14_000, BOUNDS), false);
  assert.equal(destination.silent(16_000, BOUNDS), false);
  assert.equal(destination.silent(18_000, BOUNDS), true);
});

test("an answer without a round trip opens the window and teaches no timeout", () => {
  const destination = new Destination("a");
  destination.answered(1_000, null, 512);
  assert.equal(destination.windowSize, 17);
  assert.equal(destination.ackTimeoutMs(BOUNDS), 2_000);
  destination.answered(6_000, 5_000, 512);
  assert.equal(destination.ackTimeoutMs(BOUNDS), 15_000);
});

test("back from parking it is as new, but for what it has learnt of the round trip", () => {
  const destination = new Destination("a");
  destination.answered(0, 5_000, 512);
  for (const now of [0, 20_000, 40_000]) destination.silent(now, BOUNDS);
  destination.park();
  destination.resume(50_000);
  assert.equal(destination.parked, false);
  assert.equal(destination.windowSize, 1);
  assert.equal(destination.ackTimeoutMs(BOUNDS), 15_000);
  assert.equal(destination.silent(60_000, BOUNDS), false);
});
