import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";
import { ABANDONED, Persister } from "@acktor/shared/runtime/persist";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";

const failure = (kind: DbFailure["kind"], code: string): DbResult<never> => ({
  ok: false,
  failure: { kind, code, message: code, maybeCommitted: false, constraint: null },
});
const done: DbResult<number> = { ok: true, rows: [1] };

function makePersister(signals: { stop?: AbortSignal; abandon?: AbortSignal } = {}) {
  const reported: string[] = [];
  const troubles = {
    report<T extends DbResult<unknown>>(area: string, result: T): T {
      reported.push(`${area} ${result.ok ? "ok" : result.failure.code}`);
      return result;
    },
  } as ConstructorParameters<typeof Persister>[0]["troubles"];
  const { stop = new AbortController().signal, abandon } = signals;
  const persister = new Persister({
    troubles,
    area: "acks",
    pauseMs: 1,
    maxPauseMs: 4,
    stop,
    ...(abandon && { abandon }),
  });
  return { persister, reported };
}

function answers(results: readonly DbResult<number>[]): { run(): Promise<DbResult<number>>; calls(): number } {
  let calls = 0;
  return { run: () => Promise.resolve(results[Math.min(calls++, results.length - 1)] ?? done), calls: () => calls };
}

test("PERSIST-1: passing failures are tried again, a refusal is not", async () => {
  const { persister } = makePersister();
  const passing = answers([failure("unavailable", "57P01"), failure("busy", "QUEUE_FULL"), done]);
  assert.deepEqual(await persister.persist(passing.run), done);
  assert.equal(passing.calls(), 3);
  for (const code of ["40001", "40P01", "57014", "55P03", "26000", "25P02", "08006", "53300"]) {
    const transient = answers([failure("rejected", code), done]);
    assert.deepEqual(await persister.persist(transient.run), done, code);
  }
  for (const code of ["23505", "42501", "22003"]) {
    const refused = answers([failure("rejected", code), done]);
    assert.deepEqual(await persister.persist(refused.run), failure("rejected", code), code);
    assert.equal(refused.calls(), 1, code);
  }
});

test("PERSIST-2: no attempt begins after the stop, and an abandoned one is not waited for", async () => {
  const stop = new AbortController();
  const { persister } = makePersister({ stop: stop.signal });
  const away = answers([failure("unavailable", "ECONNREFUSED")]);
  const result = persister.persist(() => {
    if (away.calls() === 2) stop.abort();
    return away.run();
  });
  assert.deepEqual(await result, failure("unavailable", "ECONNREFUSED"));
  assert.equal(away.calls(), 3);

  const abandon = new AbortController();
  const { persister: abandoned } = makePersister({ abandon: abandon.signal });
  const hanging = abandoned.persist<number>(() => new Promise(() => undefined));
  abandon.abort();
  assert.deepEqual(await hanging, { ok: false, failure: ABANDONED });
});

test("PERSIST-4: half of each pause is random, so that services do not return to a database together", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const stop = new AbortController();
  for (const [random, pauses] of [
    [0, [500, 1_000, 1_000]],
    [0.5, [750, 1_500, 1_500]],
  ] as const) {
    const away = answers([failure("unavailable", "57P01")]);
    const persister = new Persister({
      ...{ troubles: NO_TROUBLES, area: "acks", pauseMs: 1_000, maxPauseMs: 2_000, stop: stop.signal },
      random: { next: () => random },
    });
    void persister.persist(away.run);
    for (const [at, ms] of pauses.entries()) {
      await turn();
      mock.timers.tick(ms - 1);
      await turn();
      assert.equal(away.calls(), at + 1);
      mock.timers.tick(1);
      await turn();
      assert.equal(away.calls(), at + 2);
    }
  }
  stop.abort();
});

test("PERSIST-3: every result is reported to its area", async () => {
  const { persister, reported } = makePersister();
  await persister.persist(answers([failure("unavailable", "57P01"), done]).run);
  assert.deepEqual(reported, ["acks 57P01", "acks ok"]);
});
