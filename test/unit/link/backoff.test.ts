/** The three schedules: their bounds for every n, their shape, and what they do to a fleet. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BackoffPolicy, backoffMs, DEFAULT_BACKOFF } from "@acktor/shared/link/backoff";
import fc from "fast-check";

const kinds = ["full", "equal", "decorrelated"] as const;

const policies = fc
  .record({
    kind: fc.constantFrom(...kinds),
    baseMs: fc.integer({ min: 1, max: 60_000 }),
    capMs: fc.integer({ min: 1, max: 3_600_000 }),
    floorMs: fc.integer({ min: 0, max: 1_000 }),
  })
  .filter(({ baseMs, capMs }) => baseMs <= capMs);

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

// BACKOFF-1
test("every wait lies between the floor and the cap, for every n", () => {
  fc.assert(
    fc.property(policies, fc.nat(5_000), fc.double({ min: 0, max: 1e9, noNaN: true }), unit, (policy, n, before, u) => {
      const ms = backoffMs(policy, n, before, { next: () => u });
      assert.ok(Number.isFinite(ms));
      assert.ok(ms >= policy.floorMs);
      assert.ok(ms <= Math.max(policy.capMs, policy.floorMs));
    }),
  );
});

test("full jitter spreads over everything up to the doubled step", () => {
  const at = (n: number, u: number): number => backoffMs(DEFAULT_BACKOFF, n, 0, { next: () => u });
  assert.equal(at(0, 0.9), 450);
  assert.equal(at(2, 0.5), 1_000);
  assert.equal(at(3, 0), 100, "the floor");
  assert.equal(at(40, 0.5), 4_000, "the cap");
});

test("equal jitter keeps half of the step", () => {
  const policy: BackoffPolicy = { ...DEFAULT_BACKOFF, kind: "equal" };
  fc.assert(
    fc.property(fc.nat(3), unit, (n, u) => {
      const step = 500 * 2 ** n;
      const ms = backoffMs(policy, n, 0, { next: () => u });
      assert.ok(ms >= step / 2 && ms <= step);
    }),
  );
});

test("decorrelated jitter takes at most three times the wait before", () => {
  const policy: BackoffPolicy = { ...DEFAULT_BACKOFF, kind: "decorrelated" };
  fc.assert(
    fc.property(fc.double({ min: 500, max: 8_000, noNaN: true }), unit, (before, u) => {
      const ms = backoffMs(policy, 5, before, { next: () => u });
      assert.ok(ms >= 500 && ms <= Math.min(8_000, before * 3));
    }),
  );
});

test("1,000 clients that lost their broker together do not come back together", () => {
  const random = lcg(42);
  const waits = Array.from({ length: 1_000 }, () => backoffMs(DEFAULT_BACKOFF, 4, 0, { next: random }));
  const perTenth = new Map<number, number>();
  for (const ms of waits) perTenth.set(Math.floor(ms / 100), (perTenth.get(Math.floor(ms / 100)) ?? 0) + 1);
  assert.ok(Math.max(...perTenth.values()) < 50, "in no tenth of a second more than 5 % of them");
});

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
