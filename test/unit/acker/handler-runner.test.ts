import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { InboxMessage } from "@acktor/acker/inbox/message";
import { HandlerRunner } from "@acktor/acker/process/handler-runner";
import type { AfterHandler, HandleResult } from "@acktor/acker/process/handlers/handler";
import { RoutedRunner } from "@acktor/acker/process/routed-runner";
import { type Hold, Task } from "@acktor/acker/process/task";

const message = { messageId: "m" } as InboxMessage;
const STILL = { now: () => 0 };
const handler = (handle: AfterHandler["handle"]): AfterHandler => ({ name: "test", mode: "after", handle });

const ask = (runner: HandlerRunner): Promise<HandleResult | null> =>
  new Promise((done) => runner.run({ message, begin: () => true, working: () => undefined, done }));

// RUNNER-1
test("a throw is a rejection that may be retried, with its text made harmless", async () => {
  const failing = handler(async () => {
    throw new Error(`bad\n${"x".repeat(1_000)}`);
  });
  const result = await ask(
    new HandlerRunner({ clock: performance, handler: failing, concurrency: 1, timeoutMs: 1_000 }),
  );
  assert.ok(result?.kind === "rejected" && result.retryable);
  assert.match(result.reason, /^the handler failed: bad\\u000a/);
  assert.ok(result.reason.length < 320);
});

test("a thrown value that is not a text is also a rejection, and the next handler runs", async () => {
  const failing = handler(() => {
    throw Object.create(null);
  });
  const runner = new HandlerRunner({ clock: STILL, handler: failing, concurrency: 1, timeoutMs: 1_000 });
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(await ask(runner), { kind: "rejected", reason: "the handler failed", retryable: true });
  }
});

test("TASK-1: a cancelled task does not begin, and asks for no patience; one with a lease continues", async () => {
  const asked: number[] = [];
  const heard: unknown[] = [];
  const patience = { ask: ({ hold }: Task, forMs: number) => void (hold === null ? asked : heard).push(forMs) };
  const writer = { write: (_: Task, outcome: { readonly status: string }) => void heard.push(outcome.status) };
  const begun: string[] = [];
  const finish: (() => void)[] = [];
  const slow = handler(({ messageId }, { working }) => {
    begun.push(messageId);
    return new Promise((resolve) =>
      finish.push(() => {
        working(5);
        resolve({ kind: "processed" });
      }),
    );
  });
  const runner = new HandlerRunner({ clock: STILL, handler: slow, concurrency: 2, timeoutMs: 1_000 });
  const runs = ["orphan", "taken", "waiting orphan", "waiting taken"].map(
    (messageId) => new Task({ messageId } as InboxMessage, patience, writer),
  );
  for (const run of runs) runner.run(run);
  for (const run of [runs[1], runs[3]]) {
    run?.adopt({} as Hold);
  }
  for (const run of runs) run.cancel();
  while (finish.length > 0) {
    finish.shift()?.();
    await new Promise(setImmediate);
  }
  assert.deepEqual(begun, ["orphan", "taken", "waiting taken"]);
  assert.deepEqual([asked, heard], [[], [5, "processed", 5, "processed"]]);
});

// RUNNER-1, RUNNER-2
test("a handler that never answers is given up after its time, its signal aborted, its place free", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const signals: AbortSignal[] = [];
  const never = handler((_, { signal }) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  let clock = 0;
  const runner = new HandlerRunner({
    clock: { now: () => clock },
    handler: never,
    concurrency: 1,
    timeoutMs: 30_000,
  });
  const first = ask(runner);
  const second = ask(runner);
  assert.deepEqual([runner.running(), runner.waiting()], [1, 1]);
  clock = 29_999;
  mock.timers.tick(29_999);
  assert.equal(runner.stuck(), 0);
  clock = 30_000;
  mock.timers.tick(1);
  const result = await first;
  assert.ok(result?.kind === "rejected" && result.retryable && result.reason.includes("30 s"));
  assert.equal(signals[0]?.aborted, true);
  assert.equal(signals[1]?.aborted, false);
  assert.deepEqual([runner.running(), runner.waiting(), runner.stuck()], [1, 0, 1]);
  runner.stop();
  assert.equal(await second, null);
});

// RUNNER-2
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
  const runner = new HandlerRunner({
    clock: performance,
    handler: gated,
    concurrency: 3,
    timeoutMs: 10_000,
  });
  const all = Array.from({ length: 10 }, () => ask(runner));
  const results: (HandleResult | null)[] = [];
  for (const one of all) {
    while (gates.length === 0) await Promise.resolve();
    gates.shift()?.();
    results.push(await one);
  }
  assert.equal(most, 3);
  assert.ok(results.every((result) => result?.kind === "processed"));
});

test("ROUTES-1: a message whose topic no handler takes is rejected, not retryable; others go to the first that matches", async () => {
  const named = (reason: string) => ({
    handler: handler(() => ({ kind: "rejected", reason, retryable: true })),
    ...{ concurrency: 1, timeoutMs: 1_000 },
  });
  const runner = new RoutedRunner(
    [
      { filter: "a/#", ...named("first") },
      { filter: "+/b", ...named("second") },
    ],
    STILL,
  );
  const reasons: unknown[] = [];
  for (const topic of ["a/b", "c/b", "c"]) {
    const done = (result: HandleResult | null): void => void reasons.push(result);
    runner.run({ message: { ...message, topic }, begin: () => true, working: () => undefined, done });
  }
  assert.deepEqual(reasons, [
    { kind: "rejected", reason: "first", retryable: true },
    { kind: "rejected", reason: "second", retryable: true },
    { kind: "rejected", reason: "no handler takes this topic", retryable: false },
  ]);
  runner.stop();
});

// RUNNER-3
test("a stop gives back what runs and what waits; afterwards nothing is begun", async () => {
  let begun = 0;
  const never = handler(() => {
    begun++;
    return new Promise(() => undefined);
  });
  const runner = new HandlerRunner({
    clock: performance,
    handler: never,
    concurrency: 1,
    timeoutMs: 10_000,
  });
  const given = [ask(runner), ask(runner)];
  runner.stop();
  runner.stop();
  assert.deepEqual(await Promise.all([...given, ask(runner)]), [null, null, null]);
  assert.equal(begun, 1);
});

test("each handler has its own timeout, though all share one timer", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let clock = 0;
  const pass = (ms: number): void => {
    clock += ms;
    mock.timers.tick(ms);
  };
  const never = handler(() => new Promise(() => undefined));
  const runner = new HandlerRunner({ clock: { now: () => clock }, handler: never, concurrency: 3, timeoutMs: 1_000 });
  const given = [ask(runner)];
  for (let i = 0; i < 2; i++) {
    pass(300);
    given.push(ask(runner));
  }
  pass(400);
  assert.deepEqual([runner.running(), runner.stuck()], [2, 1]);
  pass(300);
  assert.deepEqual([runner.running(), runner.stuck()], [1, 2]);
  pass(300);
  assert.deepEqual([runner.running(), runner.stuck()], [0, 3]);
  for (const result of await Promise.all(given)) assert.equal(result?.kind, "rejected");
});

// RUNNER-1
test("handlers that answer immediately neither grow the stack nor hold a timer; a late one still counts as late", async () => {
  let clock = 0;
  let calls = 0;
  const quick = handler(() => {
    calls++;
    clock += calls === 7 ? 2_000 : 0;
    return { kind: "processed" };
  });
  const runner = new HandlerRunner({ clock: { now: () => clock }, handler: quick, concurrency: 1, timeoutMs: 1_000 });
  const results: (HandleResult | null)[] = [];
  const again = (): void =>
    runner.run({
      message,
      begin: () => true,
      working: () => undefined,
      done(result) {
        results.push(result);
        if (results.length < 50_000) again();
      },
    });
  again();
  assert.equal(results.length, 50_000);
  const late = results.filter((result) => result?.kind === "rejected");
  assert.match(late[0]?.kind === "rejected" ? late[0].reason : "", /kept the process busy for 2 s/);
  assert.equal(late.length, 1);
  runner.stop();
});

test("a signal that is asked for after the end is aborted; a later request for patience has no effect", async () => {
  let heard = 0;
  const contexts: Parameters<AfterHandler["handle"]>[1][] = [];
  const never = handler((_, given) => {
    contexts.push(given);
    return new Promise(() => undefined);
  });
  const runner = new HandlerRunner({ clock: STILL, handler: never, concurrency: 1, timeoutMs: 1_000 });
  const result = new Promise((done) => runner.run({ message, begin: () => true, working: () => void heard++, done }));
  const [context] = contexts;
  assert.ok(context);
  const { working } = context;
  working(1);
  runner.stop();
  assert.equal(await result, null);
  working(1);
  assert.equal(heard, 1);
  assert.equal(context.signal.aborted, true);
});

test("every thenable is awaited", async () => {
  const given = { kind: "processed" } as const;
  // biome-ignore lint/suspicious/noThenProperty: it is what is tested
  const thenable = handler((() => ({ then: (resolve: (value: HandleResult) => void) => resolve(given) })) as never);
  const runner = new HandlerRunner({ clock: STILL, handler: thenable, concurrency: 1, timeoutMs: 1_000 });
  assert.deepEqual(await ask(runner), given);
  runner.stop();
});
