/** The supervisor machine: every shortest path in simulated time, and its promises about roles and the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { restartDelay, type Supervised, Supervisor } from "@acktor/shared/runtime/supervisor";
import { type Started, type SupervisorEvent, supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import fc from "fast-check";
import { createActor, type EventObject, fromCallback, fromPromise, SimulatedClock } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { keptLogger } from "../support/kept-logger.ts";
import { until } from "../support/until.ts";

type Happening = SupervisorEvent | { type: string; output?: Started; error?: unknown; actorId?: string };

const EVENTS: Happening[] = [
  { type: "xstate.done.actor.prepare", output: { ok: true, roles: ["janitor"] }, actorId: "prepare" },
  { type: "xstate.done.actor.prepare", output: { ok: false, fault: "newer database" }, actorId: "prepare" },
  { type: "xstate.error.actor.prepare", error: new Error("bug"), actorId: "prepare" },
  { type: "xstate.done.actor.drain", actorId: "drain" },
  { type: "supervisor.pause" },
  { type: "supervisor.resume" },
  { type: "supervisor.stop" },
  { type: "role.ended", role: "janitor", error: null },
  { type: "role.restart", role: "janitor" },
];

const LEGAL = new Set([
  "STARTING>RUNNING",
  "STARTING>DRAINING",
  "RUNNING>PAUSED",
  "PAUSED>RUNNING",
  "RUNNING>DRAINING",
  "PAUSED>DRAINING",
  "DRAINING>STOPPED",
]);

const paths = getShortestPaths(supervisorMachine, {
  events: EVENTS as SupervisorEvent[],
  // The number of failures is unbounded; two of them tell whether one is counted.
  stopWhen: (state) => (state.context.failures["janitor"] ?? 0) >= 2,
});

test("SUPERVISED-4: only legal moves are on any path, and every state is reached", () => {
  const reached = new Set<string>();
  for (const path of paths) {
    const values = path.steps.map((step) => String(step.state.value)).concat(String(path.state.value));
    for (const value of values) reached.add(value);
    values.slice(1).forEach((to, i) => {
      const from = values[i] ?? "";
      assert.ok(from === to || LEGAL.has(`${from}>${to}`), `${from} → ${to}`);
    });
  }
  assert.deepEqual([...reached].sort(), ["DRAINING", "PAUSED", "RUNNING", "STARTING", "STOPPED"]);
});

/** The machine with actors that the test drives, in simulated time. */
function simulated(log: string[]) {
  const clock = new SimulatedClock();
  const held: { prepare?: (result: Started) => void; fail?: (error: Error) => void; drain?: () => void } = {};
  const machine = supervisorMachine.provide({
    actors: {
      prepare: fromPromise<Started>(() => {
        return new Promise((resolve, reject) => Object.assign(held, { prepare: resolve, fail: reject }));
      }),
      role: fromCallback<EventObject, { readonly role: string }>(({ input }) => {
        log.push(`+${input.role}`);
        return () => void log.push(`-${input.role}`);
      }),
      drain: fromPromise<void>(() => new Promise((resolve) => Object.assign(held, { drain: resolve }))),
    },
    actions: { pauseWork: () => void log.push("pause"), resumeWork: () => void log.push("resume") },
    delays: { restart: 1_000, steady: 60_000, drainDeadline: 4_500 },
  });
  const actor = createActor(machine, { clock });
  actor.subscribe({ error: () => undefined });
  actor.start();
  return { actor, clock, held };
}

for (const [index, path] of paths.entries()) {
  const steps = path.steps.map((step) => step.event as Happening).filter((event) => event.type !== "xstate.init");
  test(`path ${index}: ${steps.map((event) => event.type).join(" → ") || "start"}`, async () => {
    const log: string[] = [];
    const { actor, clock, held } = simulated(log);
    for (const event of steps) {
      if (event.type === "xstate.done.actor.prepare" && "output" in event && event.output) held.prepare?.(event.output);
      else if (event.type === "xstate.error.actor.prepare") held.fail?.(new Error("bug"));
      else if (event.type === "xstate.done.actor.drain") held.drain?.();
      else if (event.type === "role.restart") clock.increment(1_000);
      else actor.send(event as SupervisorEvent);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const state = actor.getSnapshot();
    assert.equal(state.value, path.state.value);
    const running = log.filter((line) => line === "+janitor").length - log.filter((line) => line === "-janitor").length;
    assert.ok(running === 0 || running === 1, log.join(" "));
    // SUPERVISED-1
    if (state.value === "STOPPED" || state.value === "STARTING") assert.equal(running, 0);
    actor.stop();
    assert.equal(log.filter((line) => line === "+janitor").length, log.filter((line) => line === "-janitor").length);
  });
}

test("SUPERVISED-2: a role that ends restarts after its delay, and not in DRAINING; SUPERVISED-3: the deadline stops it", async () => {
  const log: string[] = [];
  const { actor, clock, held } = simulated(log);
  held.prepare?.({ ok: true, roles: ["janitor"] });
  await new Promise((resolve) => setImmediate(resolve));
  actor.send({ type: "role.ended", role: "janitor", error: new Error("x") });
  clock.increment(999);
  assert.deepEqual(log, ["+janitor"]);
  clock.increment(1);
  assert.deepEqual(log, ["+janitor", "-janitor", "+janitor"]);
  assert.equal(actor.getSnapshot().context.failures["janitor"], 1);
  clock.increment(60_000);
  assert.equal(actor.getSnapshot().context.failures["janitor"], 0);
  actor.send({ type: "role.ended", role: "janitor", error: null });
  actor.send({ type: "supervisor.stop" });
  clock.increment(1_000);
  assert.equal(log.filter((line) => line === "+janitor").length, 2);
  clock.increment(4_500);
  assert.equal(actor.getSnapshot().value, "STOPPED");
});

test("restart delays double up to half a minute, never less than half of that", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      const delay = restartDelay(failures, random);
      const full = Math.min(30_000, 500 * 2 ** Math.min(failures - 1, 10));
      assert.ok(delay >= full / 2 && delay <= full);
    }),
  );
});

interface Made {
  readonly supervisor: Supervisor;
  readonly log: ReturnType<typeof keptLogger>;
}

/** A supervisor of a service that does nothing, but for `over`. */
function supervise(over: Partial<Supervised>, random = 0): Made {
  const log = keptLogger();
  const service: Supervised = {
    prepare: async () => ({ ok: true }),
    roles: () => ({}),
    pause: () => undefined,
    resume: () => undefined,
    drain: async () => undefined,
    ...over,
  };
  const parts = { troubles: NO_TROUBLES, logger: log.logger, random: { next: () => random } };
  return { supervisor: new Supervisor(service, parts), log };
}

test("SUPERVISOR-1: a stop interrupts an early start, drains once, and may be called twice", async () => {
  let drained = 0;
  let aborted = false;
  const { supervisor } = supervise({
    prepare: (signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted = true;
          resolve({ ok: false, fault: "aborted" });
        });
      }),
    drain: async () => void drained++,
  });
  supervisor.start();
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([supervisor.stop(), supervisor.stop()]);
  assert.deepEqual([supervisor.state(), drained, aborted], ["STOPPED", 1, true]);
});

test("SUPERVISOR-1: a stop before the start drains, and prepares nothing", async () => {
  let drained = 0;
  const { supervisor } = supervise({
    prepare: () => assert.fail("prepared after the stop"),
    drain: async () => void drained++,
  });
  assert.equal(supervisor.state(), "STARTING");
  await supervisor.stop();
  assert.deepEqual([supervisor.state(), drained], ["STOPPED", 1]);
});

test("a role that throws synchronously is reported and restarts; its signal ends it at the stop", async () => {
  let begun = 0;
  let ended = false;
  const { supervisor, log } = supervise({
    roles: () => ({
      shaky: {
        run(signal) {
          if (++begun === 1) throw new Error("at the start");
          return new Promise((resolve) => {
            signal.addEventListener("abort", () => {
              ended = true;
              resolve();
            });
          });
        },
      },
    }),
  });
  supervisor.start();
  assert.deepEqual(await supervisor.started, { ok: true });
  await until(() => begun === 2, 3_000, "the second start of the role");
  await supervisor.stop();
  assert.deepEqual(log.messages(), ["a role ended unexpectedly; restarting it"]);
  assert.equal(ended, true);
});

test("a start that can never succeed says why, and drains", async () => {
  let drained = 0;
  const { supervisor } = supervise({
    prepare: async () => ({ ok: false, fault: "the database is newer" }),
    drain: async () => void drained++,
  });
  supervisor.start();
  assert.deepEqual(await supervisor.started, { ok: false, fault: "the database is newer" });
  await supervisor.stop();
  assert.equal(drained, 1);
});

test("after STOPPED no timer is left, even where a restart was delayed", async () => {
  const roles = {
    shaky: { run: async () => undefined },
    steady: { run: () => new Promise<void>(() => undefined) },
  };
  const { supervisor } = supervise({ roles: () => roles }, 1);
  supervisor.start();
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  await supervisor.started;
  await until(() => supervisor.actor.getSnapshot().context.failures["shaky"] === 1, 1_000, "a delayed restart");
  await supervisor.stop();
  await until(() => timers() <= 1, 1_000, "only the timer of this wait");
});
