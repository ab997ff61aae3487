import assert from "node:assert/strict";
import { test } from "node:test";
import { Batcher, type BatcherOptions } from "@acktor/shared/runtime/batcher";
import fc from "fast-check";
import { until } from "../../support/until.ts";

/** A batcher whose batches end when the test ends them. */
function scripted(over: Partial<BatcherOptions<number>> = {}) {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new Batcher<number>({
    maxBatch: 3,
    delayMs: 1,
    capacity: 10,
    concurrency: 1,
    worker: {
      work(batch) {
        batches.push(batch);
        return new Promise<void>((resolve) => ends.push(resolve));
      },
    },
    ...over,
  });
  const begun = (count: number): Promise<true> => until(() => batches.length >= count, 2_000, `${count} batches`);
  return { batcher, batches, ends, begun };
}

test("a full batch starts immediately, the rest waits for it", async () => {
  const { batcher, batches, ends, begun } = scripted();
  for (const item of [1, 2, 3, 4]) assert.equal(batcher.add(item), true);
  assert.deepEqual(batches, [[1, 2, 3]]);
  assert.equal(batcher.size, 1);
  ends[0]?.();
  await begun(2);
  assert.deepEqual(batches, [[1, 2, 3], [4]]);
});

test("with no batch in flight a batch starts at the end of the turn, regardless of the delay", async () => {
  const { batcher, batches } = scripted({ delayMs: 60_000 });
  batcher.add(1);
  batcher.add(2);
  assert.deepEqual(batches, []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(batches, [[1, 2]]);
});

test("next to a running batch, a batch that is not full starts after the delay", async () => {
  const { batcher, batches, begun } = scripted({ concurrency: 2, delayMs: 20 });
  batcher.add(1);
  await begun(1);
  const startedAt = performance.now();
  batcher.add(2);
  await new Promise((resolve) => setImmediate(resolve));
  batcher.add(3);
  assert.deepEqual(batches, [[1]]);
  await begun(2);
  assert.deepEqual(batches, [[1], [2, 3]]);
  assert.ok(performance.now() - startedAt >= 19);
});

test("BATCH-2: an item above the capacity is rejected and not kept", async () => {
  const { batcher, batches, ends, begun } = scripted({ capacity: 4 });
  for (const item of [1, 2, 3]) batcher.add(item);
  for (const item of [4, 5, 6, 7]) assert.equal(batcher.add(item), true);
  assert.equal(batcher.add(8), false);
  assert.equal(batcher.size, 4);
  ends[0]?.();
  await begun(2);
  assert.equal(batcher.add(9), true);
  ends[1]?.();
  await begun(3);
  assert.deepEqual(batches, [
    [1, 2, 3],
    [4, 5, 6],
    [7, 9],
  ]);
});

test("BATCH-1: no more batches run than allowed", async () => {
  const { batcher, batches, ends, begun } = scripted({ concurrency: 2 });
  for (let item = 1; item <= 9; item++) batcher.add(item);
  assert.equal(batches.length, 2);
  ends[1]?.();
  await begun(3);
  assert.equal(batches.length, 3);
  assert.deepEqual(batches.flat(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("BATCH-3: a drain starts what waits, waits for its end, and takes nothing more", async () => {
  const { batcher, batches, ends } = scripted({ delayMs: 60_000 });
  batcher.add(1);
  let drained = 0;
  const drains = [batcher.drain(), batcher.drain()].map((drain) => drain.then(() => drained++));
  assert.deepEqual(batches, [[1]]);
  assert.equal(batcher.add(2), false);
  await Promise.resolve();
  assert.equal(drained, 0);
  ends[0]?.();
  await Promise.all(drains);
  await batcher.drain();
  assert.deepEqual(batches, [[1]]);
});

test("BATCH-1, BATCH-3: every item that was taken is given to the worker once, in order, under any load", async () => {
  const step = fc.oneof(fc.constant("add" as const), fc.constant("end" as const));
  const shape = fc.record({ maxBatch: fc.integer({ min: 1, max: 5 }), concurrency: fc.integer({ min: 1, max: 3 }) });
  await fc.assert(
    fc.asyncProperty(shape, fc.array(step, { maxLength: 60 }), async (options, steps) => {
      const { batcher, batches, ends } = scripted({ ...options, capacity: 8, delayMs: 0 });
      const taken: number[] = [];
      let ended = 0;
      const endOne = (): void => {
        if (ended < ends.length) ends[ended++]?.();
      };
      for (const [item, what] of steps.entries()) {
        if (what === "end") endOne();
        else if (batcher.add(item)) taken.push(item);
        assert.ok(batches.length - ended <= options.concurrency);
        assert.ok(batcher.size <= 8);
        await Promise.resolve();
      }
      let drained = false;
      const drain = batcher.drain().then(() => {
        drained = true;
      });
      while (!drained) {
        endOne();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await drain;
      assert.deepEqual(batches.flat(), taken);
      assert.ok(batches.every((batch) => batch.length > 0 && batch.length <= options.maxBatch));
    }),
  );
});

test("BATCH-4: a worker that throws, now or later, causes a warning; the next batch runs and the drain ends", async (t) => {
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const done: string[] = [];
  const batcher = new Batcher<string>({
    maxBatch: 1,
    delayMs: 0,
    capacity: 10,
    concurrency: 1,
    worker: {
      work(batch) {
        if (batch[0] === "now") throw new Error("now");
        if (batch[0] === "later") return Promise.reject(new Error("later"));
        done.push(...batch);
        return Promise.resolve();
      },
    },
  });
  for (const item of ["now", "later", "good"]) assert.equal(batcher.add(item), true);
  await batcher.drain();
  await until(() => warnings.length === 2, 2_000, "both warnings");
  assert.deepEqual(warnings, ["now", "later"]);
  assert.deepEqual(done, ["good"]);
});
