import assert from "node:assert/strict";
import { test } from "node:test";
import { type FlowWindow, grown, halved, INITIAL_WINDOW } from "@acktor/publisher/dispatch/flow-window";
import fc from "fast-check";

const MOST = 512;

function acked(window: FlowWindow, times: number): FlowWindow {
  let next = window;
  for (let i = 0; i < times; i++) next = grown(next, MOST);
  return next;
}

test("it starts with 16 and grows by one with each ack", () => {
  assert.equal(INITIAL_WINDOW.size, 16);
  assert.equal(acked(INITIAL_WINDOW, 100).size, 116);
});

test("it never passes the most", () => {
  assert.equal(acked(INITIAL_WINDOW, 10_000).size, MOST);
});

test("a timeout halves it, once within an ack timeout", () => {
  const first = halved({ ...INITIAL_WINDOW, size: 100 }, 1_000, 2_000);
  assert.deepEqual(first, { size: 50, threshold: 50, quietUntil: 3_000 });
  assert.equal(halved(first, 2_999, 2_000), first);
  assert.equal(halved(first, 3_000, 2_000).size, 25);
});

test("after a timeout it grows by one with each window of acks", () => {
  const small = halved({ ...INITIAL_WINDOW, size: 100 }, 0, 2_000);
  assert.ok(Math.abs(acked(small, 50).size - 51) < 0.05);
});

test("the window always lies between one and its maximum, and acks never shrink it", () => {
  const step = fc.oneof(fc.constant("ack" as const), fc.integer({ min: 0, max: 5_000 }));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      let now = 0;
      let window = INITIAL_WINDOW;
      for (const what of steps) {
        const before = window;
        if (what === "ack") window = grown(window, MOST);
        else {
          now += what;
          window = halved(window, now, 2_000);
        }
        assert.ok(window.size >= 1 && window.size <= MOST);
        if (what === "ack") assert.ok(window.size >= before.size);
        else assert.ok(window === before || window.size === Math.max(1, before.size / 2));
      }
    }),
  );
});
