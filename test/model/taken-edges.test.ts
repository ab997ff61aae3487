/**
 * The data read from XState's private parts, verified with every machine of the repository: on every shortest path each edge
 * reported as taken leads from the previous state to the current one, and the running delays are those of the active states.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import {
  type ClaimOutput,
  type DispatcherContext,
  dispatcherMachine,
} from "@acktor/publisher/dispatch/dispatcher-machine";
import { type PeriodicOutput, periodicMachine } from "@acktor/publisher/janitor/periodic-machine";
import { describeMachine } from "@acktor/shared/inspect/describe-machine";
import type { EdgeDefinition, MachineDefinition, StateValue } from "@acktor/shared/inspect/wire";
import { runningDelays, takenEdges } from "@acktor/shared/inspect/xstate-internals";
import type { LinkContext } from "@acktor/shared/link/link-context";
import { linkMachine } from "@acktor/shared/link/link-machine";
import { type Started, supervisorMachine } from "@acktor/shared/runtime/supervisor-machine";
import {
  type AnyActor,
  type AnyStateMachine,
  createActor,
  type EventObject,
  fromCallback,
  fromPromise,
  SimulatedClock,
} from "xstate";
import { getShortestPaths } from "xstate/graph";
import { LIMITS, linkInput, sessionEnded } from "../support/link-world.ts";

interface Walk {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  /** Data of its events, where it matters. Every event of an edge is also tried without data. */
  readonly loaded: readonly EventObject[];
  /** What distinguishes two states for the path finder; the complete state where it is bounded. */
  readonly situation: (context: unknown) => unknown;
  /** Edges that no path takes, and why. */
  readonly never: readonly string[];
}

const done = (id: string, output: unknown): EventObject => ({ type: `xstate.done.actor.${id}`, output }) as EventObject;
const forever = <T>() => fromPromise<T>(() => new Promise<T>(() => undefined));

const WALKS: readonly Walk[] = [
  {
    machine: linkMachine as unknown as AnyStateMachine,
    input: linkInput(),
    loaded: [
      { type: "session.connected", limits: LIMITS } as EventObject,
      sessionEnded({ kind: "closed", beforeConnack: true }),
      sessionEnded({ kind: "closed", beforeConnack: false }),
      sessionEnded({ kind: "connack", protocolVersion: 5, code: 1 }),
      sessionEnded({ kind: "connack", protocolVersion: 5, code: 0x86 }),
      sessionEnded({ kind: "connack", protocolVersion: 5, code: 0x9a }),
      Object.assign(sessionEnded({ kind: "closed", beforeConnack: false }), { remedy: "renew" as const }),
      ...(["connect", "publish"] as const).flatMap((by) => [
        { type: "breaker.tripped", by },
        { type: "breaker.relapsed", by },
      ]),
    ],
    // Coarser than the complete state: enough to take each edge, and quick.
    situation: (context) => {
      const { at, wait, opened, failedConnects } = context as LinkContext;
      return [at, wait.over, opened.by, Math.min(failedConnects, 5)];
    },
    never: [],
  },
  {
    machine: dispatcherMachine.provide({ actors: { claim: forever<ClaimOutput>() } }) as unknown as AnyStateMachine,
    input: { pollMs: 200 },
    loaded: [
      done("claim", { claimed: 0, more: false, full: false }),
      done("claim", { claimed: 3, more: true, full: false }),
      done("claim", { claimed: 3, more: false, full: false }),
      done("claim", { claimed: 0, more: true, full: false }),
    ],
    situation: (context) => {
      const { woken, more } = context as DispatcherContext;
      return [woken, more];
    },
    never: [],
  },
  {
    machine: periodicMachine.provide({ actors: { work: forever<PeriodicOutput>() } }) as unknown as AnyStateMachine,
    input: { intervalMs: 100 },
    loaded: [done("work", { more: true }), done("work", { more: false })],
    situation: () => null,
    never: [],
  },
  {
    machine: supervisorMachine.provide({
      actors: { prepare: forever<Started>(), drain: forever<void>(), role: fromCallback(() => undefined) },
    }) as unknown as AnyStateMachine,
    input: undefined,
    loaded: [
      done("prepare", { ok: true, roles: ["janitor"] }),
      done("prepare", { ok: false, fault: "newer database" }),
      ...["role.ended", "role.restart", "role.steady"].map((type) => ({ type, role: "janitor", error: null })),
    ],
    situation: () => null,
    never: [],
  },
  {
    machine: receiverMachine as unknown as AnyStateMachine,
    input: undefined,
    loaded: [],
    situation: () => null,
    never: [],
  },
];

for (const walk of WALKS) {
  const definition = describeMachine(walk.machine);
  const paths = getShortestPaths(walk.machine, {
    input: walk.input as never,
    events: eventsOf(definition, walk),
    serializeState: (state) => JSON.stringify([state.value, state.status, walk.situation(state.context)]),
    limit: 200_000,
  });

  test(`${definition.id}: on ${paths.length} shortest paths each edge taken leads from state to state`, () => {
    const seen = new Set<string>();
    for (const path of paths) {
      const actor = createActor(walk.machine, { input: walk.input as never, clock: new SimulatedClock() });
      let edges: string[] = [];
      actor.system.inspect((event) => {
        if (event.actorRef === actor) edges.push(...takenEdges(event));
      });
      quietly(actor);
      for (const { event } of path.steps.slice(1)) {
        edges = [];
        const before = actor.getSnapshot();
        actor.send(event);
        const after = actor.getSnapshot();
        assertJoined(definition, edges, before.value as StateValue, after.value as StateValue, event.type);
        for (const id of edges) seen.add(id);
        if (after.status === "active") assertDelays(definition, actor, after.value as StateValue);
      }
      actor.stop();
    }
    for (const event of eventsOf(definition, walk)) takeEverywhere(walk, paths, event, seen);
    const missing = definition.edges.map(({ id }) => id).filter((id) => !seen.has(id));
    assert.deepEqual(missing, walk.never);
  });
}

/** One further event from the last state of every path: shortest paths omit edges to states that they have visited. */
function takeEverywhere(
  { machine, input }: Walk,
  paths: readonly { readonly steps: readonly { readonly event: EventObject }[] }[],
  event: EventObject,
  seen: Set<string>,
): void {
  for (const { steps } of paths) {
    const actor = createActor(machine, { input: input as never, clock: new SimulatedClock() });
    quietly(actor);
    for (const step of steps.slice(1)) actor.send(step.event);
    actor.system.inspect((inspected) => {
      if (inspected.actorRef === actor) for (const id of takenEdges(inspected)) seen.add(id);
    });
    actor.send(event);
    actor.stop();
  }
}

/** Starts the machine. An error without an edge stops a machine; this test ignores it. */
function quietly(actor: AnyActor): void {
  actor.subscribe({ error: () => undefined });
  actor.start();
}

function assertJoined(
  definition: MachineDefinition,
  edges: readonly string[],
  before: StateValue,
  after: StateValue,
  type: string,
): void {
  const known = edges.map((id) => definition.edges.find((edge) => edge.id === id));
  const [first] = known;
  assert.ok(!known.includes(undefined), `${type} takes an unknown edge: ${edges.join()}`);
  if (first === undefined) {
    assert.deepEqual(after, before, `${type} moved ${definition.id} without an edge`);
    return;
  }
  const start = activeIn(definition, before);
  assert.ok(start.has(first.source), `${first.id} does not begin in ${JSON.stringify(before)}`);
  const end = activeIn(definition, after);
  const moved = (known as EdgeDefinition[]).filter(({ target }) => target !== null).at(-1);
  if (moved?.target) assert.ok(end.has(moved.target), `${moved.id} does not end in ${JSON.stringify(after)}`);
}

/** Ids of the active states. */
function activeIn({ id }: MachineDefinition, value: StateValue): Set<string> {
  const ids = new Set([id]);
  const walkInto = (prefix: string, part: StateValue): void => {
    if (typeof part === "string") {
      ids.add(`${prefix}.${part}`);
      return;
    }
    for (const [key, child] of Object.entries(part)) {
      ids.add(`${prefix}.${key}`);
      walkInto(`${prefix}.${key}`, child);
    }
  };
  walkInto(id, value);
  return ids;
}

function assertDelays(definition: MachineDefinition, actor: AnyActor, value: StateValue): void {
  const active = activeIn(definition, value);
  const wanted = definition.edges.filter(({ kind, source }) => kind === "after" && active.has(source));
  const running = runningDelays(actor);
  assert.deepEqual(
    running.map(({ state, delay }) => `${state} ${delay}`).sort(),
    [...new Set(wanted.map(({ source, delay }) => `${source} ${delay}`))].sort(),
  );
  for (const { startedAt, endsAt } of running) assert.ok(endsAt >= startedAt && startedAt <= Date.now());
}

/** Every event of some edge, without data unless `loaded` has it. */
function eventsOf({ edges }: MachineDefinition, { loaded }: Walk): EventObject[] {
  const types = new Set(edges.flatMap(({ id }) => id.split("#").slice(1, 2)));
  for (const { type } of loaded) types.delete(type);
  types.delete("always");
  return [...[...types].map((type) => ({ type, error: new Error("bug") })), ...loaded];
}
