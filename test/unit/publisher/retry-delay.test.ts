import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryDelay } from "@acktor/publisher/dispatch/retry-delay";
import fc from "fast-check";

const SCHEDULE = { baseMs: 1_000, capMs: 60_000 };

function delay(ackTimeoutMs: number, retries: number, chance: number): number {
  return new RetryDelay(SCHEDULE, { next: () => chance }).after(ackTimeoutMs, retries);
}

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("the next PUBLISH comes after the ack timeout, and within the spread of its attempt", () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 30_000 }), fc.nat({ max: 2_000_000 }), random, (timeout, retries, r) => {
      const ms = delay(timeout, retries, r);
      assert.ok(ms >= timeout);
      assert.ok(ms <= timeout + Math.min(60_000, 1_000 * 2 ** Math.min(retries, 60)));
      assert.ok(ms < 2 ** 31);
    }),
  );
});

test("the spread doubles up to the cap", () => {
  const spread = (retries: number): number => delay(0, retries, 0.5) * 2;
  assert.deepEqual([0, 1, 2, 5, 6, 7, 1_000].map(spread), [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
});

test("it is full jitter: all of the spread is used", () => {
  assert.equal(delay(2_000, 6, 0), 2_000);
  assert.ok(delay(2_000, 6, 0.999_999) > 61_999);
});
