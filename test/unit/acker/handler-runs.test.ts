/** Handlers at work: outcomes, suspects (found by the fault lab's poison), leases, patience, and the stop. */
import assert from "node:assert/strict";
import { after, mock, test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import type { Inbox, Moved } from "@acktor/acker/inbox/inbox";
import type { Answer, InboxMessage } from "@acktor/acker/inbox/message";
import { type HandlerJob, HandlerRunner } from "@acktor/acker/process/handler-runner";
import { HandlerRuns } from "@acktor/acker/process/handler-runs";
import type { AfterHandler, HandleResult } from "@acktor/acker/process/handlers/handler";
import { Places } from "@acktor/acker/subscribe/places";
import type { DbResult } from "@acktor/shared/db/pool";
import { UNWATCHED } from "@acktor/shared/inspect/deliveries";
import { NO_TRACING } from "@acktor/shared/runtime/tracing";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { failed, fakeInbox, heldOf, messageOf } from "../../support/fake-inbox.ts";
import { until } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const OWNER = "a/1/1";

/** Writes every outcome. */
const finishAll: Inbox["finish"] = async (batch) => ({
  ok: true,
  rows: batch.map(({ messageId }) => ({ messageId })),
});

/** Their timers would keep this process for a minute. */
const runners: HandlerRunner[] = [];
after(() => {
  for (const runner of runners) runner.stop();
});

function rig(verbs: Partial<Inbox>, handle: AfterHandler["handle"] = () => ({ kind: "processed" })) {
  const counts = createCounts();
  const places = new Places({ limit: 100, byteLimit: 100 });
  const answers: [string, Answer["status"]][] = [];
  const attempts: (string | null)[] = [];
  let now = 0;
  const clock = { now: () => now };
  const handler: AfterHandler = { name: "test", mode: "after", handle };
  const runner = new HandlerRunner({ handler, concurrency: 10, timeoutMs: 60_000, clock });
  runners.push(runner);
  const runs = new HandlerRuns({
    ...{ inbox: fakeInbox({ finish: finishAll, ...verbs }), leaseMs: 3_000, capacity: 10, places, counts, clock },
    ...{ deliveries: UNWATCHED, tracing: NO_TRACING, troubles: NO_TROUBLES },
    runner,
    acks: {
      send: () => undefined,
      answer({ messageId, attemptToken }: InboxMessage, { status }: Answer) {
        answers.push([messageId, status]);
        attempts.push(attemptToken);
      },
    },
  });
  const take = (messageId: string, crashes = 0): void => {
    const held = heldOf();
    places.hold(held);
    runs.take({ messageId, owner: OWNER }, { message: messageOf(messageId), held }, undefined, crashes);
  };
  const pass = (ms: number): void => {
    now += ms;
    mock.timers.tick(ms);
  };
  return { runs, take, counts, places, answers, attempts, pass };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test("RUNS-2: a suspect begins when the outcome of the one before it is written, so that the crash is not blamed on that", async () => {
  const asked: string[] = [];
  const held: (() => void)[] = [];
  const { take, places } = rig({
    markHandling: async ({ messageId }) => {
      asked.push(`begins ${messageId}`);
      return { ok: true, rows: [{ messageId }] };
    },
    finish(batch) {
      const rows = batch.map(({ messageId }) => ({ messageId }));
      asked.push(...rows.map(({ messageId }) => `ends ${messageId}`));
      return new Promise<DbResult<Moved>>((resolve) => held.push(() => resolve({ ok: true, rows })));
    },
  });
  take("innocent", 1);
  take("culprit", 1);
  await until(() => asked.length >= 2, 1_000, "the innocent's outcome to be on its way");
  await turn();
  assert.deepEqual(asked, ["begins innocent", "ends innocent"]);
  held.shift()?.();
  await until(() => asked.length >= 4, 1_000, "the culprit");
  held.shift()?.();
  // REGISTRY-1
  await until(() => places.size() === 0, 1_000, "the end of both");
  assert.deepEqual(asked, ["begins innocent", "ends innocent", "begins culprit", "ends culprit"]);
});

test("RUNS-2: a suspect whose lease was lost, or that cannot be noted, does not begin", async () => {
  let begun = 0;
  const handle = (): HandleResult => {
    begun++;
    return { kind: "processed" };
  };
  const answers = [{ ok: true, rows: [] } as const, failed("57P01", "unavailable")];
  const { take, counts, places } = rig({ markHandling: async () => answers.shift() ?? failed("XX000") }, handle);
  take("lost", 1);
  take("away", 1);
  await until(() => places.size() === 0, 1_000, "the end of both");
  assert.deepEqual([begun, counts.handler.fenced], [0, 1]);
});

test("OUTCOME-1, OUTCOME-2: a lost lease has no answer; a row that cannot be written keeps no other from it", async () => {
  const { take, answers, counts, places } = rig({
    finish: async (batch) =>
      batch.some(({ messageId }) => messageId === "bad")
        ? failed("22003")
        : {
            ok: true,
            rows: batch.filter(({ messageId }) => messageId !== "lost").map(({ messageId }) => ({ messageId })),
          },
  });
  for (const id of ["good", "bad", "lost", "fine"]) take(id);
  await until(() => places.size() === 0, 1_000, "the end of all");
  assert.deepEqual(answers, [
    ["good", "processed"],
    ["fine", "processed"],
  ]);
  assert.deepEqual([counts.handler.processed, counts.handler.fenced], [2, 2]);
});

test("OUTCOME-3: a transaction that breaks by a fault of acktor ends its task, without an answer", async () => {
  const { take, answers, places } = rig({ runTransaction: () => Promise.reject(new Error("on purpose")) }, () => ({
    kind: "processed",
    effect: { kind: "transaction", work: async () => undefined },
  }));
  take("m");
  await until(() => places.size() === 0, 1_000, "the end");
  assert.deepEqual(answers, []);
});

test("OUTCOME-3: a write that breaks by a fault of acktor ends its tasks, without an answer; the next one is written", async () => {
  let fails = true;
  const { take, answers, places } = rig({
    async finish(batch) {
      if (fails) throw new Error("on purpose");
      return finishAll(batch);
    },
  });
  take("m");
  await until(() => places.size() === 0, 1_000, "the end");
  fails = false;
  take("n");
  await until(() => places.size() === 0, 1_000, "the end of the next one");
  assert.deepEqual(answers, [["n", "processed"]]);
});

test("RUNS-1, FINISH-2: a stop gives back what its handlers have not finished, and answers nothing", async () => {
  const written: string[] = [];
  const hangs = (): Promise<HandleResult> => new Promise(() => undefined);
  const { runs, take, answers, places } = rig(
    {
      finish: async (batch) => {
        written.push(...batch.map(({ messageId, status }) => `${messageId} ${status}`));
        return finishAll(batch);
      },
    },
    hangs,
  );
  take("m");
  const abandon = new AbortController();
  const drained = runs.drain(abandon.signal);
  await turn();
  assert.deepEqual(written, []);
  abandon.abort();
  await drained;
  assert.deepEqual([written, answers, places.size()], [["m received"], [], 0]);
});

test("LEASE-1, PATIENCE-1: while a handler works its lease is renewed, and its outbox is asked to wait", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let renewed = 0;
  const { runs, take, answers, pass } = rig(
    {
      renewLeases: async (leases) => {
        renewed += leases.length;
        return { ok: true, rows: [...leases] };
      },
    },
    () => new Promise(() => undefined),
  );
  void runs.leases.run(NEVER);
  void runs.patience.run(NEVER);
  take("m");
  for (let ms = 0; ms < 6_500; ms += 100) {
    pass(100);
    await Promise.resolve();
    await new Promise(setImmediate);
  }
  assert.equal(renewed, 6);
  // After 300 ms, then every 3 s.
  assert.deepEqual(
    answers,
    Array.from({ length: 3 }, () => ["m", "working"]),
  );
});

test("PROCESSOR-2, TASK-2: a cancelled task writes nothing; one that adopts a lease writes its outcome once", async () => {
  const written: string[] = [];
  const { runs, places } = rig({
    finish: async (batch) => {
      written.push(...batch.map(({ messageId }) => messageId));
      return finishAll(batch);
    },
  });
  const [cancelled, adopted] = [runs.begin(messageOf("cancelled")), runs.begin(messageOf("adopted"))];
  cancelled.cancel();
  const job: HandlerJob = cancelled;
  job.done({ kind: "processed" });
  const held = heldOf();
  places.hold(held);
  runs.take({ messageId: "adopted", owner: OWNER }, { message: adopted.message, held }, adopted, 0);
  adopted.cancel();
  await until(() => places.size() === 0, 1_000, "the end");
  assert.deepEqual(written, ["adopted"]);
});

test("CONCLUDE-3: a handler that began before its row answers and asks for patience under the newest attempt of its batch", async () => {
  let end = (_: HandleResult): void => undefined;
  const { runs, places, answers, attempts } = rig({}, (_message, { working }) => {
    working(1_000);
    return new Promise((resolve) => {
      end = (result) => {
        working(1_000);
        resolve(result);
      };
    });
  });
  const begun = runs.begin(messageOf("m", { attemptToken: "first" }));
  const held = heldOf();
  places.hold(held);
  const newest = messageOf("m", { attemptToken: "second", retryCount: 1 });
  runs.take({ messageId: "m", owner: OWNER }, { message: newest, held }, begun, 0);
  end({ kind: "rejected", reason: "no", retryable: false });
  await until(() => places.size() === 0, 1_000, "the end");
  assert.deepEqual(
    answers.map(([, status], at) => [status, attempts[at]]),
    [
      ["working", "first"],
      ["working", "second"],
      ["rejected", "second"],
    ],
  );
});

test("CONCLUDE-4: a message that arrives again while its handler works: patience and answer name the new attempt", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let end = (_: HandleResult): void => undefined;
  const { runs, take, answers, attempts, pass } = rig({}, () => new Promise((resolve) => (end = resolve)));
  void runs.patience.run(NEVER);
  take("m");
  runs.repeated(messageOf("m", { attemptToken: "2", retryCount: 1, arrivedAt: 0 }));
  runs.repeated(messageOf("m", { attemptToken: "0", retryCount: 0, arrivedAt: 0 }));
  runs.repeated(messageOf("unknown"));
  pass(100);
  await Promise.resolve();
  end({ kind: "rejected", reason: "no", retryable: true });
  for (let ms = 0; ms < 300 && answers.length < 2; ms += 10) {
    pass(10);
    await new Promise(setImmediate);
  }
  assert.deepEqual(
    answers.map(([, status], at) => [status, attempts[at]]),
    [
      ["working", "2"],
      ["rejected", "2"],
    ],
  );
});
