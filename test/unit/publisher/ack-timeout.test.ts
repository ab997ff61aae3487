import assert from "node:assert/strict";
import { test } from "node:test";
import { type AckTimeout, ackTimeoutMs, NO_SAMPLES, withSample } from "@acktor/publisher/dispatch/ack-timeout";
import fc from "fast-check";

const BOUNDS = { minMs: 2_000, maxMs: 30_000 };
const sample = fc.double({ min: 0, max: 120_000, noNaN: true });

function after(samples: readonly number[]): AckTimeout {
  return samples.reduce(withSample, NO_SAMPLES);
}

test("before the first sample the least timeout holds", () => {
  assert.equal(ackTimeoutMs(NO_SAMPLES, BOUNDS), 2_000);
});

test("the first sample and the next ones count as in RFC 6298, 2.2 and 2.3", () => {
  const first = withSample(NO_SAMPLES, 4_000);
  assert.deepEqual(first, { srttMs: 4_000, rttvarMs: 2_000 });
  assert.equal(ackTimeoutMs(first, BOUNDS), 12_000);
  // RTTVAR = 3/4 · 2000 + 1/4 · |4000 − 8000|, with the SRTT from before this sample; SRTT = 7/8 · 4000 + 1/8 · 8000.
  assert.deepEqual(withSample(first, 8_000), { srttMs: 4_500, rttvarMs: 2_500 });
});

test("the timeout lies within its bounds for every measurement", () => {
  fc.assert(
    fc.property(fc.array(sample), (samples) => {
      const timeout = ackTimeoutMs(after(samples), BOUNDS);
      assert.ok(timeout >= BOUNDS.minMs && timeout <= BOUNDS.maxMs);
    }),
  );
});

test("the smoothed round trip stays between the least and the greatest sample", () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1 }), (samples) => {
      const { srttMs, rttvarMs } = after(samples);
      assert.ok(srttMs !== null && srttMs >= Math.min(...samples) - 1e-6 && srttMs <= Math.max(...samples) + 1e-6);
      assert.ok(rttvarMs >= 0 && rttvarMs <= 120_000);
    }),
  );
});

test("a steady round trip is learnt, and its variation dies away", () => {
  fc.assert(
    fc.property(fc.array(sample), fc.double({ min: 3_000, max: 20_000, noNaN: true }), (before, steady) => {
      const estimate = after([...before, ...Array.from({ length: 120 }, () => steady)]);
      assert.ok(Math.abs((estimate.srttMs ?? 0) - steady) < 1);
      assert.ok(Math.abs(ackTimeoutMs(estimate, BOUNDS) - steady) < 10);
    }),
  );
});

test("500 ms more on each round trip, as in the tutorial's third fault, pass without a timeout", () => {
  let estimate = after(Array.from({ length: 50 }, () => 20));
  for (let i = 0; i < 20; i++) {
    assert.ok(ackTimeoutMs(estimate, BOUNDS) > 520);
    estimate = withSample(estimate, 520);
  }
});
