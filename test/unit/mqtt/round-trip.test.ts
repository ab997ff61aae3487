/** The deadlines that follow from measured round trips. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RoundTrip } from "@acktor/shared/mqtt/round-trip";
import fc from "fast-check";

const FLOOR_MS = 2_000;

// ROUND_TRIP-1
test("a deadline lies between its floor and 30 s, and a longer floor is kept", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200_000)), fc.nat(6), (samples, backoffs) => {
      const roundTrip = new RoundTrip();
      for (const ms of samples) roundTrip.published(ms);
      for (let n = 0; n < backoffs; n++) roundTrip.backOff();
      const ms = roundTrip.deadlineMs(FLOOR_MS);
      assert.ok(ms >= FLOOR_MS && ms <= 30_000, `${ms}`);
      assert.equal(roundTrip.deadlineMs(60_000), 60_000);
    }),
  );
});

test("a fast line keeps the floor; a steady slow one gets three round trips", () => {
  const [fast, slow] = [new RoundTrip(), new RoundTrip()];
  for (let n = 0; n < 50; n++) fast.published(20);
  for (let n = 0; n < 50; n++) slow.published(4_800);
  assert.equal(fast.deadlineMs(FLOOR_MS), FLOOR_MS);
  assert.ok(Math.abs(slow.deadlineMs(FLOOR_MS) - 14_400) < 100);
});

test("one answer of a line that became slow is enough", () => {
  const roundTrip = new RoundTrip();
  for (let n = 0; n < 1_000; n++) roundTrip.published(10);
  roundTrip.connected(6_000);
  assert.ok(roundTrip.deadlineMs(FLOOR_MS) > 6_000);
});

// ROUND_TRIP-2
test("it backs off until a PUBLISH is answered; other answers do not reset it", () => {
  const roundTrip = new RoundTrip();
  roundTrip.published(10);
  for (const ms of [4_000, 8_000, 16_000]) {
    roundTrip.backOff();
    roundTrip.sample(10);
    assert.equal(roundTrip.deadlineMs(FLOOR_MS), ms);
  }
  roundTrip.published(10);
  assert.equal(roundTrip.deadlineMs(FLOOR_MS), FLOOR_MS);
});

test("an open socket whose CONNACK did not come gets twice and four times as long, until one comes", () => {
  const roundTrip = new RoundTrip();
  const seen = [0, 1, 2, 3].map(() => {
    const ms = roundTrip.handshakeMs(5_000);
    roundTrip.connectTimedOut();
    return ms;
  });
  assert.deepEqual(seen, [5_000, 10_000, 20_000, 20_000]);
  roundTrip.connected(10);
  assert.equal(roundTrip.handshakeMs(5_000), 5_000);
});

// ROUND_TRIP-3
test("infinity and numbers below 0 do not count as samples; one answer an hour late counts as 30 s and is forgotten", () => {
  const roundTrip = new RoundTrip();
  for (const ms of [Number.POSITIVE_INFINITY, Number.NaN, -1]) roundTrip.sample(ms);
  for (let n = 0; n < 50; n++) roundTrip.published(5);
  assert.equal(roundTrip.deadlineMs(FLOOR_MS), FLOOR_MS);
  roundTrip.published(3_600_000);
  assert.equal(roundTrip.expectedMs, 30_000);
  let answers = 0;
  for (; roundTrip.deadlineMs(FLOOR_MS) > FLOOR_MS && answers < 100; answers++) roundTrip.published(5);
  assert.ok(answers <= 30, `${answers}`);
});
