/** Machines as data: nothing of a machine is missing, everything has a name, and what runs is found again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import { dispatcherMachine } from "@acktor/publisher/dispatch/dispatcher-machine";
import { periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import { MOVES, STATES } from "@acktor/publisher/outbox/delivery";
import { describeDelivery } from "@acktor/publisher/outbox/describe-delivery";
import { type ChartNode, describeMachine, edgeId, UNNAMED } from "@acktor/shared/inspect/describe-machine";
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import { assign, createActor, createMachine, fromPromise, raise, setup } from "xstate";

const MACHINES = [linkMachine, dispatcherMachine, receiverMachine, supervisorMachine, periodicMachine];
const DEFINITIONS = [...MACHINES.map((machine) => describeMachine(machine)), describeDelivery()];

for (const definition of DEFINITIONS) {
  test(`${definition.id}: every guard, action and delay has a name`, () => {
    assert.deepEqual(unnamedIn(definition), []);
  });

  // DESCRIBE-1
  test(`${definition.id}: ids are unique, parents come first, and every edge joins two states`, () => {
    const states = definition.states.map(({ id }) => id);
    const edges = definition.edges.map(({ id }) => id);
    assert.equal(new Set(states).size, states.length);
    assert.equal(new Set(edges).size, edges.length);
    for (const [at, { id, parent, initial, type }] of definition.states.entries()) {
      if (parent === null) assert.equal(at, 0, id);
      else assert.ok(states.indexOf(parent) >= 0 && states.indexOf(parent) < at, id);
      assert.equal(initial !== null, type === "compound", id);
    }
    for (const { id, source, target } of definition.edges) {
      assert.ok(states.includes(source), id);
      assert.ok(target === null || states.includes(target), id);
    }
  });
}

for (const machine of MACHINES) {
  // DESCRIBE-2
  test(`${machine.id}: each transition of a machine with other parts has the id of its description`, () => {
    const ids = [...nodesOf(machine.provide({}).root)].flatMap(({ transitions, always }) => {
      return [...[...transitions.values()].flat(), ...(always ?? [])].map(edgeId);
    });
    assert.deepEqual(
      ids,
      describeMachine(machine).edges.map(({ id }) => id),
    );
  });
}

test("the link: regions, a delay, an eventless transition, a guard, a spawned actor's end, a transition that stays", () => {
  const { states, edges } = describeMachine(linkMachine);
  assert.deepEqual(states[0], {
    id: "link",
    key: "link",
    parent: null,
    type: "parallel",
    initial: null,
    entry: [],
    exit: [],
    invoke: [],
  });
  const regions = states.filter(({ parent }) => parent === "link");
  assert.deepEqual(
    regions.map(({ id, initial }) => [id, initial]),
    [
      ["link.connection", "link.connection.DISCONNECTED"],
      ["link.breaker", "link.breaker.CLOSED"],
    ],
  );
  const connecting = states.find(({ key }) => key === "CONNECTING");
  assert.deepEqual(connecting?.entry, ["chooseVersion", "openSession", "arrive"]);
  const find = (kind: string, source: string): unknown => {
    const edge = edges.find((one) => one.kind === kind && one.source === `link.connection.${source}`);
    return edge && [edge.label, edge.delay, edge.guard, edge.target, edge.actions];
  };
  const reconnecting = "link.connection.RECONNECTING";
  const failed = ["noteConnectTimeout", "announceFailure", "tellConnectFailed"];
  assert.deepEqual(find("after", "CONNECTING"), ["connectTimeout", "connectTimeout", null, reconnecting, failed]);
  assert.deepEqual(find("always", "RECONNECTING"), ["always", null, "mayConnect", "link.connection.CONNECTING", []]);
  assert.deepEqual(find("after", "CONNECTED"), ["held", "held", null, null, ["noteHeld"]]);
  const crash = edges.find(({ kind }) => kind === "error");
  assert.deepEqual([crash?.label, crash?.target], ["session", reconnecting]);
});

test("an invoked actor is named at its state and on the edges of its end", () => {
  const { states, edges } = describeMachine(supervisorMachine);
  assert.deepEqual(states.find(({ key }) => key === "STARTING")?.invoke, ["prepare"]);
  const ends = edges.filter(({ kind }) => kind === "done" || kind === "error");
  assert.deepEqual(
    ends.map(({ source, kind, label, guard }) => `${source} ${kind} ${label} ${guard}`),
    [
      "supervisor.STARTING done prepare isPrepared",
      "supervisor.STARTING done prepare null",
      "supervisor.STARTING error prepare null",
      "supervisor.DRAINING done drain null",
      "supervisor.DRAINING error drain null",
    ],
  );
});

test("entry and exit actions are described in order, without XState's own timers", () => {
  const listening = describeMachine(receiverMachine).states.find(({ key }) => key === "LISTENING");
  assert.deepEqual(listening?.entry, ["openIntake", "subscribe", "announce"]);
  assert.deepEqual(listening?.exit, ["unsubscribe", "closeIntake"]);
});

test("inline logic has its id as its name", () => {
  const invoke = { id: "fetching", src: fromPromise(async () => 1), onDone: "B" } as const;
  const machine = createMachine({ id: "m", initial: "A", states: { A: { invoke }, B: {} } });
  const { states, edges } = describeMachine(machine);
  assert.deepEqual([states[1]?.invoke, edges[0]?.label], [["fetching"], "fetching"]);
});

test("a message's life: the table's states and moves, and the end without a way out", () => {
  const { states, edges } = describeDelivery();
  assert.deepEqual(
    states.slice(1).map(({ key }) => key),
    STATES,
  );
  assert.equal(edges.length, MOVES.length);
  assert.deepEqual(
    states.filter(({ type }) => type === "final").map(({ key }) => key),
    ["acknowledged"],
  );
});

test("what a running actor takes is found in the description: event, always, delay, done; not the way in", () => {
  const machine = setup({
    actors: { work: fromPromise(async () => 1) },
    actions: { count: assign({}), again: raise({ type: "again" }) },
    guards: { never: () => false, ever: () => true },
    delays: { soon: 0 },
  }).createMachine({
    id: "toy",
    initial: "A",
    states: {
      A: { on: { go: [{ guard: "never", target: "A" }, { target: "B" }] } },
      B: { always: { guard: "ever", target: "C", actions: "again" } },
      C: { on: { "*": { actions: "count" } }, invoke: { id: "w", src: "work", onDone: "D" } },
      D: { type: "final" },
    },
  });
  const known = describeMachine(machine).edges.map(({ id }) => id);
  const taken: (string | null)[] = [];
  const running = createActor(machine.provide({ actors: { work: fromPromise(() => new Promise(() => undefined)) } }), {
    inspect: (seen) => {
      if (seen.type === "@xstate.microstep") taken.push(...seen._transitions.map((one) => edgeId(one)));
    },
  });
  running.start();
  running.send({ type: "go" });
  running.stop();
  const found = taken.filter((id) => id !== null);
  assert.deepEqual(found, ["toy.A#go#1", "toy.B#always#0", "toy.C#*#0"]);
  assert.deepEqual(
    found.filter((id) => !known.includes(id)),
    [],
  );
});

test("DESCRIBE-3: an inline function is called unnamed", () => {
  const machine = setup({}).createMachine({
    id: "inline",
    initial: "A",
    states: {
      A: { entry: () => undefined, on: { go: { guard: () => true, actions: assign({}) } }, after: { 10: {} } },
    },
  });
  assert.equal(unnamedIn(describeMachine(machine)).length, 4);
});

/** Everything without a name; a delay that is a number has none. */
function unnamedIn({ states, edges }: MachineDefinition): string[] {
  const named = (name: string | null): boolean => name === null || name !== UNNAMED;
  return [
    ...states.filter(({ entry, exit }) => ![...entry, ...exit].every(named)).map(({ id }) => id),
    ...edges.filter(({ guard }) => !named(guard)).map(({ id }) => `${id} guard`),
    ...edges.filter(({ actions }) => !actions.every(named)).map(({ id }) => `${id} action`),
    ...edges.filter(({ delay }) => delay !== null && /^\d+$/.test(delay)).map(({ id }) => `${id} delay`),
  ];
}

function* nodesOf(node: ChartNode): Generator<ChartNode> {
  yield node;
  for (const child of Object.values(node.states)) yield* nodesOf(child);
}
