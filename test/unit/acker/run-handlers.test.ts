import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { AfterHandler, HandleResult } from "@acktor/acker/handle/handler";
import { createHandlerRunner } from "@acktor/acker/handle/run-handlers";
import type { InboxMessage } from "@acktor/acker/inbox/message";

const message = { messageId: "m" } as InboxMessage;
const handler = (handle: AfterHandler["handle"]): AfterHandler => ({ name: "test", mode: "after", handle });

test("a throw is a rejection that may be retried, with its text made harmless", async () => {
  const failing = handler(async () => {
    throw new Error(`bad\n${"x".repeat(1_000)}`);
  });
  const result = await createHandlerRunner({
    now: () => performance.now(),
    handler: failing,
    concurrency: 1,
    timeoutMs: 1_000,
  }).run(message);
  assert.ok(result?.kind === "rejected" && result.retryable);
  assert.match(result.reason, /^the handler failed: bad\\u000a/);
  assert.ok(result.reason.length < 320);
});

test("a handler that never answers is given up after its time, its signal aborted, its place free", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const signals: AbortSignal[] = [];
  const never = handler((_, signal) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  const runner = createHandlerRunner({
    now: () => performance.now(),
    handler: never,
    concurrency: 1,
    timeoutMs: 30_000,
  });
  const first = runner.run(message);
  const second = runner.run(message);
  assert.deepEqual([runner.running(), runner.waiting()], [1, 1]);
  mock.timers.tick(30_000);
  const result = await first;
  assert.ok(result?.kind === "rejected" && result.retryable && result.reason.includes("30 s"));
  assert.equal(signals[0]?.aborted, true);
  assert.deepEqual([runner.running(), runner.waiting(), runner.stuck()], [1, 0, 1]);
  runner.stop();
  assert.equal(await second, null);
});

test("at most `concurrency` at a time; all get their turn", async () => {
  let now = 0;
  let most = 0;
  const gates: (() => void)[] = [];
  const gated = handler(async () => {
    most = Math.max(most, ++now);
    await new Promise<void>((resolve) => gates.push(resolve));
    now--;
    return { kind: "processed" };
  });
  const runner = createHandlerRunner({
    now: () => performance.now(),
    handler: gated,
    concurrency: 3,
    timeoutMs: 10_000,
  });
  const all = Array.from({ length: 10 }, () => runner.run(message));
  const results: (HandleResult | null)[] = [];
  for (const one of all) {
    while (gates.length === 0) await Promise.resolve();
    gates.shift()?.();
    results.push(await one);
  }
  assert.equal(most, 3);
  assert.ok(results.every((result) => result?.kind === "processed"));
});

test("a stop gives back what runs and what waits; afterwards nothing is begun", async () => {
  let begun = 0;
  const never = handler(() => {
    begun++;
    return new Promise(() => undefined);
  });
  const runner = createHandlerRunner({
    now: () => performance.now(),
    handler: never,
    concurrency: 1,
    timeoutMs: 10_000,
  });
  const given = [runner.run(message), runner.run(message)];
  runner.stop();
  runner.stop();
  assert.deepEqual(await Promise.all([...given, runner.run(message)]), [null, null, null]);
  assert.equal(begun, 1);
});
