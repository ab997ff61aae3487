/** One actor as viewers see it: every transition, contexts ten times a second, and nearly nothing unwatched. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type ActorFact, ActorTap } from "@acktor/shared/inspect/actor-tap";
import { assign, createActor, setup } from "xstate";

const machine = setup({
  types: {
    context: {} as { count: number; hidden: string },
    events: {} as { type: "go" } | { type: "count" } | { type: "stay" } | { type: "again" } | { type: "end" },
  },
  actions: { add: assign({ count: ({ context }) => context.count + 1 }), nothing: () => undefined },
  delays: { soon: 60_000 },
}).createMachine({
  id: "toy",
  context: { count: 0, hidden: "canary" },
  initial: "A",
  states: {
    A: { on: { go: "B" } },
    B: {
      on: {
        go: "A",
        again: { target: "B", reenter: true },
        count: { actions: "add" },
        stay: { actions: "nothing" },
        end: "C",
      },
      after: { soon: "A" },
    },
    C: { type: "final" },
  },
});

function rig(t: TestContext, watched: boolean) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const told: ActorFact[] = [];
  const noted: (() => ActorFact)[] = [];
  const actor = createActor(machine);
  actor.start();
  const sink = {
    tell: (fact: ActorFact) => void told.push(fact),
    note: (make: () => ActorFact) => void noted.push(make),
  };
  const commands = { pause: { type: "go" }, drain: { type: "end" } };
  const followed = { name: "role", machine: "toy", actor, shown: ["count"], commands };
  const tap = new ActorTap(followed, watched, sink, { wallClock: () => Date.now() });
  t.after(() => actor.stop());
  const said = (): string[] => told.map(({ kind, event, edges, value }) => [kind, event, value, ...edges].join(" "));
  return { actor, tap, told, noted, said };
}

test("TAP-1: while watched, each transition is reported immediately, with event, edges, state, context, delays and commands", (t) => {
  const { actor, told, said } = rig(t, true);
  actor.send({ type: "go" });
  t.mock.timers.tick(5);
  actor.send({ type: "stay" });
  actor.send({ type: "again" });
  assert.deepEqual(said(), [
    "started  A",
    "transition go B toy.A#go#0",
    "transition stay B toy.B#stay#0",
    "transition again B toy.B#again#0",
  ]);
  assert.deepEqual(told[1], {
    kind: "transition",
    ts: 1_000_000,
    actor: "role",
    machine: "toy",
    event: "go",
    edges: ["toy.A#go#0"],
    value: "B",
    context: { count: 0 },
    delays: [{ state: "toy.B", delay: "soon", startedAt: 1_000_000, endsAt: 1_060_000 }],
    can: ["pause", "drain"],
  });
  // A state that was entered again restarts its delay.
  assert.equal(told[3]?.delays[0]?.startedAt, 1_000_005);
});

test("an event without a transition is not reported", (t) => {
  const { actor, told } = rig(t, true);
  actor.send({ type: "count" });
  assert.equal(told.length, 1);
});

test("TAP-1: transitions are never merged, however many there are", (t) => {
  const { actor, told } = rig(t, true);
  for (let i = 0; i < 1_000; i++) actor.send({ type: "go" });
  assert.equal(told.filter(({ kind }) => kind === "transition").length, 1_000);
});

test("TAP-2: while unwatched, moves to another state are noted with their state; nothing is inspected", (t) => {
  const { actor, told, noted } = rig(t, false);
  actor.send({ type: "go" });
  actor.send({ type: "count" });
  actor.send({ type: "stay" });
  actor.send({ type: "go" });
  assert.equal(told.length, 1);
  const notes = noted.map((make) => make());
  assert.deepEqual(
    notes.map(({ kind, event, edges, value, context }) => [kind, event, edges, value, context]),
    [
      ["transition", null, [], "B", { count: 0 }],
      ["transition", null, [], "A", { count: 1 }],
    ],
  );
  assert.deepEqual(notes[0]?.delays.length, 1);
  assert.deepEqual(notes[0]?.can, ["pause", "drain"]);
});

test("attached and detached with the viewers; without viewers nothing is reported", (t) => {
  const { actor, tap, said } = rig(t, false);
  tap.attach();
  tap.attach();
  actor.send({ type: "go" });
  tap.detach();
  tap.detach();
  actor.send({ type: "go" });
  tap.attach();
  actor.send({ type: "go" });
  assert.deepEqual(said().slice(1), ["transition go B toy.A#go#0", "transition go B toy.A#go#0"]);
});

test("TAP-3: a final state is reported with its edge, then the end, and nothing after it", (t) => {
  const { actor, tap, said, told } = rig(t, true);
  actor.send({ type: "go" });
  actor.send({ type: "end" });
  tap.stop();
  tap.attach();
  assert.deepEqual(said().slice(2), ["transition  C toy.B#end#0", "stopped  C"]);
  assert.deepEqual([told.at(-1)?.can, told.at(-1)?.delays], [[], []]);
  assert.equal(tap.snapshot().status, "done");
});

test("stopped from outside: the end is reported, its timers are not", (t) => {
  const { actor, told } = rig(t, true);
  actor.send({ type: "go" });
  actor.stop();
  assert.deepEqual([told.at(-1)?.kind, told.at(-1)?.delays], ["stopped", []]);
});

/** Context changes alone: a machine may change it without a transition only by an actor's own logic, so one is made. */
function counter(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const told: ActorFact[] = [];
  const actor = createActor({
    getInitialSnapshot: () => snapshotOf(0, "A"),
    transition: (state: ReturnType<typeof snapshotOf>, event: { type: string }) =>
      event.type === "count" ? snapshotOf(state.context.count + 1, state.value) : snapshotOf(state.context.count, "B"),
    getPersistedSnapshot: (state: ReturnType<typeof snapshotOf>) => state,
  });
  actor.start();
  const sink = { tell: (fact: ActorFact) => void told.push(fact), note: () => undefined };
  new ActorTap({ name: "role", machine: "toy", actor, shown: ["count"], commands: {} }, true, sink, {
    wallClock: () => Date.now(),
  });
  t.after(() => actor.stop());
  const counts = (): unknown[] =>
    told.slice(1).map(({ kind, context }) => [kind, (context as { count: number }).count]);
  return { actor, counts };
}

function snapshotOf(count: number, value: string) {
  return {
    status: "active",
    output: undefined,
    error: undefined,
    context: { count },
    value,
    can: () => false,
  } as const;
}

test("TAP-1: a change of only the context is reported at most ten times a second, and its last value always", (t) => {
  const { actor, counts } = counter(t);
  for (let i = 0; i < 5; i++) actor.send({ type: "count" });
  assert.deepEqual(counts(), [["context", 1]]);
  t.mock.timers.tick(99);
  assert.equal(counts().length, 1);
  t.mock.timers.tick(1);
  assert.deepEqual(counts().slice(1), [["context", 5]]);
  for (let ms = 0; ms < 1_000; ms++) {
    actor.send({ type: "count" });
    t.mock.timers.tick(1);
  }
  t.mock.timers.tick(100);
  assert.ok(counts().length <= 13, `${counts().length} in 1.2 s`);
  assert.deepEqual(counts().at(-1), ["context", 1_005]);
});

test("a transition contains the context that waited for its report", (t) => {
  const { actor, counts } = counter(t);
  actor.send({ type: "count" });
  actor.send({ type: "count" });
  actor.send({ type: "move" });
  t.mock.timers.tick(1_000);
  assert.deepEqual(counts(), [
    ["context", 1],
    ["transition", 2],
  ]);
});
