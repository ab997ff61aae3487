/** The sliding window against a naive list of calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FailureWindow } from "@acktor/shared/link/failure-window";
import { DEFAULT_BREAKER } from "@acktor/shared/link/link-policy";
import fc from "fast-check";

const BUCKET_MS = DEFAULT_BREAKER.windowMs / 20;

test("19 failures of 19 do not open, 20 do", () => {
  const window = new FailureWindow(DEFAULT_BREAKER);
  for (let i = 0; i < 19; i++) window.record(i, true, false);
  assert.equal(window.shouldOpen(19), false);
  window.record(19, true, false);
  assert.equal(window.shouldOpen(19), true);
});

test("half of the calls failed opens, less does not", () => {
  const window = new FailureWindow(DEFAULT_BREAKER);
  for (let i = 0; i < 40; i++) window.record(i, i % 2 === 0, false);
  assert.equal(window.shouldOpen(40), true);
  window.record(41, false, false);
  assert.equal(window.shouldOpen(41), false);
});

test("four of five slow opens, though all succeeded", () => {
  const window = new FailureWindow(DEFAULT_BREAKER);
  for (let i = 0; i < 20; i++) window.record(i, false, i < 16);
  assert.equal(window.shouldOpen(20), true);
});

// FAILURE_WINDOW-2
test("calls older than the period are forgotten, and a far jump of the clock forgets all", () => {
  const window = new FailureWindow(DEFAULT_BREAKER);
  for (let i = 0; i < 20; i++) window.record(0, true, false);
  assert.equal(window.shouldOpen(9_499), true);
  assert.equal(window.shouldOpen(10_000), false);
  for (let i = 0; i < 20; i++) window.record(10_000, true, false);
  assert.equal(window.shouldOpen(1e15), false);
});

test("clear forgets", () => {
  const window = new FailureWindow(DEFAULT_BREAKER);
  for (let i = 0; i < 20; i++) window.record(0, true, false);
  window.clear();
  assert.equal(window.shouldOpen(0), false);
});

const calls = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(300), fc.nat(20_000)),
    failed: fc.boolean(),
    elapsedMs: fc.integer({ min: 0, max: 4_000 }),
  }),
  { maxLength: 200 },
);

// FAILURE_WINDOW-1, FAILURE_WINDOW-2
test("agrees with a list of the calls of the period's buckets", () => {
  fc.assert(
    fc.property(calls, fc.double({ min: -1e6, max: 1e9, noNaN: true }), (list, start) => {
      const window = new FailureWindow(DEFAULT_BREAKER);
      const seen: { at: number; failed: boolean; slow: boolean }[] = [];
      let now = start;
      for (const { afterMs, failed, elapsedMs } of list) {
        now += afterMs;
        window.record(now, failed, elapsedMs > 2_000);
        seen.push({ at: now, failed, slow: elapsedMs > 2_000 });
        const oldest = Math.floor(now / BUCKET_MS) - 19;
        const live = seen.filter(({ at }) => Math.floor(at / BUCKET_MS) >= oldest);
        const failures = live.filter((call) => call.failed).length;
        const slow = live.filter((call) => call.slow).length;
        const expected = live.length >= 20 && (failures >= live.length * 0.5 || slow >= live.length * 0.8);
        assert.equal(window.shouldOpen(now), expected);
      }
    }),
  );
});
