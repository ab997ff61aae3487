/** Messages from the network wait for their turn: bounded, in order, a few milliseconds at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TurnQueue } from "@acktor/shared/bus/turn-queue";
import { Budget } from "@acktor/shared/runtime/budget";
import { until } from "../../support/until.ts";

test("TURN-1, TURN-3: tasks run in order, a slice in each turn, so that other work runs in between", async () => {
  const clock = { now: 0 };
  const queue = new TurnQueue({ mostTasks: 100, mostBytes: 1_000, clock: { now: () => clock.now } });
  const order: string[] = [];
  for (let i = 0; i < 6; i++) {
    queue.push({
      bytes: 1,
      run() {
        order.push(String(i));
        clock.now += 2;
      },
    });
  }
  assert.equal(order.length, 0, "never within the call");
  setImmediate(() => order.push("another"));
  await until(() => order.length === 7, 1_000);
  assert.deepEqual(order, ["0", "1", "another", "2", "3", "4", "5"]);
});

test("TURN-2, TURN-3: waiting tasks are bounded in number and in bytes; after a stop nothing runs", async () => {
  const queue = new TurnQueue({ mostTasks: 3, mostBytes: 10, clock: { now: () => 0 } });
  let ran = 0;
  const run = (): void => void ran++;
  assert.deepEqual(
    [6, 5, 4].map((bytes) => queue.push({ bytes, run })),
    [true, false, true],
  );
  await until(() => ran === 2, 1_000);
  assert.deepEqual(
    [0, 0, 0, 0].map((bytes) => queue.push({ bytes, run })),
    [true, true, true, false],
  );
  queue.stop();
  queue.stop();
  assert.equal(queue.push({ bytes: 0, run }), false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ran, 2);
});

test("BUCKET-1: a burst passes, and then the rate applies", () => {
  const budget = new Budget(10, 20, 0);
  assert.deepEqual([budget.admit(15, 0), budget.admit(6, 0), budget.admit(5, 0)], [true, false, true]);
  assert.deepEqual([budget.admit(6, 500), budget.admit(5, 500)], [false, true]);
  assert.deepEqual([budget.admit(21, 1e6), budget.admit(20, 1e6)], [false, true], "never more than the burst");
});
