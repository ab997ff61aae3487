/** The wrapper of listeners: what fails in one is counted and logged, and never reaches the caller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Batcher } from "@acktor/shared/runtime/batcher";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

test("GUARD-1: a listener that throws or rejects is counted; the caller sees neither", async () => {
  const { logger } = keptLogger();
  const guard = new ListenerGuard({ logger, clock: { now: () => 0 } });
  const seen: number[] = [];
  guard.wrap("sync", (n: number) => {
    seen.push(n);
    throw new Error("sync");
  })(1);
  guard.wrap("async", async (n: number) => {
    seen.push(n);
    throw new RangeError("Maximum call stack size exceeded");
  })(2);
  guard.wrap("text", () => Promise.reject("no error at all"))();
  await until(() => guard.failures === 3, 2_000);
  assert.deepEqual(seen, [1, 2]);
});

test("GUARD-2: one line a minute for each name, bounded, with the number that is left out", () => {
  const { logger, lines } = keptLogger();
  let now = 0;
  const guard = new ListenerGuard({ logger, clock: { now: () => now } });
  const fail = guard.wrap("link.message", () => {
    throw new Error("x\n".repeat(100_000));
  });
  for (let i = 0; i < 100; i++) fail();
  assert.equal(lines.length, 1);
  assert.ok((lines[0] ?? "").length < 4_000, "what the error quotes is cut");
  now = 60_000;
  fail();
  assert.equal(lines.length, 2);
  assert.equal((JSON.parse(lines[1] ?? "") as { unsaid: number }).unsaid, 99);
});

test("BATCH-4: the guard counts a batch that fails, and the next batch runs", async () => {
  const { logger } = keptLogger();
  const guard = new ListenerGuard({ logger, clock: { now: () => 0 } });
  const worked: string[] = [];
  const batcher = new Batcher<string>({
    maxBatch: 1,
    delayMs: 0,
    capacity: 10,
    concurrency: 1,
    guard,
    worker: {
      async work([item = ""]) {
        if (item === "bad") throw new TypeError("unforeseen");
        worked.push(item);
      },
    },
  });
  for (const item of ["one", "bad", "two"]) batcher.add(item);
  await batcher.drain();
  assert.deepEqual([worked, guard.failures], [["one", "two"], 1]);
});
