/** Every shortest path of the periodic machine, replayed in simulated time; and its pauses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type PeriodicOutput, periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import fc from "fast-check";
import { createActor, SimulatedClock, type SnapshotFrom, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { simulatedWork } from "../support/simulated-work.ts";

const INTERVAL_MS = 1_000;

type Tried = { readonly type: "work.now" };
const TRIED = [
  { type: "work.now" },
  { type: "xstate.done.actor.work", output: { more: false } },
  { type: "xstate.done.actor.work", output: { more: true } },
  { type: "xstate.error.actor.work", error: new Error("no database") },
  { type: "xstate.after.interval.periodic.WAITING" },
] as unknown as readonly Tried[];

function start() {
  const clock = new SimulatedClock();
  const work = simulatedWork<PeriodicOutput>();
  const actor = createActor(periodicMachine.provide({ actors: { work: work.logic } }), {
    input: { intervalMs: INTERVAL_MS },
    clock,
  });
  actor.start();
  return { actor, clock, work };
}

function situation({ value, context }: SnapshotFrom<typeof periodicMachine>): string {
  return JSON.stringify([value, Math.min(2, context.runs), Math.min(2, context.failures)]);
}

const paths = getShortestPaths(periodicMachine, {
  input: { intervalMs: INTERVAL_MS },
  events: TRIED,
  serializeState: (state) => situation(state as SnapshotFrom<typeof periodicMachine>),
});

for (const path of paths) {
  const steps = path.steps.map((step) => step.event as { type: string; output?: PeriodicOutput }).slice(1);
  const names = steps.map(({ type, output }) => (output ? `done${output.more ? ", more" : ""}` : type));
  test(`path: ${["start", ...names].join(" → ")}`, async () => {
    const { actor, clock, work } = start();
    for (const step of steps) {
      if (step.output !== undefined) await work.done(step.output);
      else if (step.type.startsWith("xstate.error")) await work.failed();
      else if (step.type.startsWith("xstate.after")) clock.increment(INTERVAL_MS * 16);
      else actor.send({ type: "work.now" });
      assert.equal(work.running(), actor.getSnapshot().value === "WORKING" ? 1 : 0);
    }
    assert.equal(situation(actor.getSnapshot()), situation(path.state));
    actor.stop();
  });
}

test("from each situation each event leads where it should, and nowhere else", () => {
  const moves: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    WAITING: { "work.now": "WORKING", "xstate.after.interval.periodic.WAITING": "WORKING" },
    WORKING: { "xstate.done.actor.work": "WAITING", "xstate.error.actor.work": "WAITING" },
  };
  for (const { state } of paths) {
    for (const event of TRIED) {
      const { type, output } = event as { type: string; output?: PeriodicOutput };
      const to = output?.more ? state.value : (moves[state.value]?.[type] ?? state.value);
      assert.equal(transition(periodicMachine, state, event)[0].value, to, `${situation(state)} on ${type}`);
    }
  }
});

test("there is a path to both states, with and without failures behind it", () => {
  assert.deepEqual([...new Set(paths.map((path) => path.state.value))].sort(), ["WAITING", "WORKING"]);
  assert.ok(paths.length >= 8, `${paths.length} paths`);
});

test("it works immediately, and the interval counts from a run's end", async () => {
  const { clock, work } = start();
  assert.equal(work.begun, 1);
  clock.increment(INTERVAL_MS * 100);
  assert.equal(work.begun, 1);
  await work.done({ more: false });
  clock.increment(INTERVAL_MS - 1);
  assert.equal(work.begun, 1);
  clock.increment(1);
  assert.equal(work.begun, 2);
});

test("where there was more to do, the next run follows immediately", async () => {
  const { work } = start();
  for (let run = 1; run <= 5; run++) {
    assert.equal(work.begun, run);
    await work.done({ more: true });
  }
});

test("PERIODIC-2: after failures the pause doubles up to sixteen intervals, and a run that works forgets them", async () => {
  const { clock, work } = start();
  for (const factor of [2, 4, 8, 16, 16]) {
    await work.failed();
    const before = work.begun;
    clock.increment(INTERVAL_MS * factor - 1);
    assert.equal(work.begun, before);
    clock.increment(1);
    assert.equal(work.begun, before + 1);
  }
  await work.done({ more: false });
  const before = work.begun;
  clock.increment(INTERVAL_MS);
  assert.equal(work.begun, before + 1);
});

test("PERIODIC-1: in every sequence of events one run at most is under way, and none is the last", async () => {
  const step = fc.constantFrom("now", "time", "done", "more", "failed");
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { actor, clock, work } = start();
      for (const what of steps) {
        if (what === "now") actor.send({ type: "work.now" });
        else if (what === "time") clock.increment(INTERVAL_MS / 2);
        else if (work.running() > 0) {
          if (what === "failed") await work.failed();
          else await work.done({ more: what === "more" });
        }
        assert.ok(work.running() <= 1);
      }
      if (work.running() > 0) await work.done({ more: false });
      clock.increment(INTERVAL_MS * 16);
      assert.equal(work.running(), 1);
      actor.stop();
    }),
  );
});
