/**
 * Every shortest path of the link machine, walked on an actor with a session that counts itself: only legal moves, one
 * session at most, and none where there should be none. Then long random lives in simulated time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkContext, LinkEvent, LinkFact } from "@acktor/shared/link/link-context";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import fc from "fast-check";
import { type SnapshotFrom, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { LIMITS, type LinkWorld, linkInput, linkWorld, sessionEnded } from "../support/link-world.ts";

const ENDS: readonly FailureInput[] = [
  { kind: "closed", beforeConnack: true },
  { kind: "closed", beforeConnack: false },
  { kind: "connack", protocolVersion: 5, code: 1 },
  { kind: "connack", protocolVersion: 5, code: 0x86 },
  { kind: "connack", protocolVersion: 5, code: 0x89 },
  { kind: "connack", protocolVersion: 5, code: 0x9a },
];

const SAID: readonly LinkEvent[] = [{ type: "session.connected", limits: LIMITS }, ...ENDS.map(sessionEnded)];

const COMMANDS: readonly LinkEvent[] = [
  { type: "link.connect" },
  { type: "link.disconnect" },
  { type: "link.reset" },
  { type: "breaker.open" },
  { type: "breaker.close" },
];

const JUDGED: readonly LinkEvent[] = [
  { type: "breaker.tripped", by: "publish" },
  { type: "breaker.tripped", by: "connect" },
  { type: "breaker.proved" },
  { type: "breaker.relapsed", by: "publish" },
];

const CRASHED: LinkEvent = { type: "xstate.error.actor.session", error: new Error("bug") };

/** Timers as events: on a path they fire in any order, regardless of their lengths. */
const TIMERS = [
  "xstate.after.connectTimeout.link.connection.CONNECTING",
  "xstate.after.held.link.connection.CONNECTED",
  "xstate.after.backoff.link.connection.RECONNECTING",
  "xstate.after.errorWait.link.connection.ERROR",
  "xstate.after.breakerWait.link.breaker.OPEN",
].map((type) => ({ type }) as unknown as LinkEvent);

const LEGAL = new Set([
  "connection DISCONNECTED>CONNECTING",
  "connection CONNECTING>CONNECTED",
  "connection CONNECTING>RECONNECTING",
  "connection CONNECTING>ERROR",
  "connection CONNECTING>DISCONNECTED",
  "connection CONNECTED>RECONNECTING",
  "connection CONNECTED>ERROR",
  "connection CONNECTED>DISCONNECTED",
  "connection RECONNECTING>CONNECTING",
  "connection RECONNECTING>ERROR",
  "connection RECONNECTING>DISCONNECTED",
  "connection ERROR>CONNECTING",
  "connection ERROR>DISCONNECTED",
  "breaker CLOSED>OPEN",
  "breaker OPEN>HALF_OPEN",
  "breaker HALF_OPEN>CLOSED",
  "breaker HALF_OPEN>OPEN",
]);

/** Legal, and without a cause: in RECONNECTING there is no session that could be refused. */
const NEVER_TAKEN = new Set(["connection RECONNECTING>ERROR"]);

/** What makes two states differ, with the unbounded counters cut off where they no longer decide anything. */
function serialize({ context }: { readonly context: LinkContext }): string {
  const { at, version, wait, opened, failedConnects } = context;
  const counted = [Math.min(failedConnects, 5), Math.min(version.suspicions, 2), Math.min(opened.times, 1)];
  return JSON.stringify([at, version.speak, version.certain, wait.over, opened.by, counted]);
}

const EVENTS: readonly LinkEvent[] = [...SAID, ...COMMANDS, ...JUDGED, CRASHED, ...TIMERS];

const paths = getShortestPaths(linkMachine, {
  input: linkInput(),
  events: [...EVENTS],
  serializeState: (state) => serialize(state as SnapshotFrom<typeof linkMachine>),
  limit: 200_000,
});

const movesOf = (world: LinkWorld): string[] =>
  world.facts.flatMap((fact) =>
    fact.type === "link.transition" ? [`${fact.fact.region} ${fact.fact.from}>${fact.fact.to}`] : [],
  );

function assertSessions(world: LinkWorld): void {
  const { connection } = world.context().at;
  const expected = connection === "CONNECTING" || connection === "CONNECTED" ? 1 : 0;
  assert.equal(world.live(), expected, `sessions in ${world.state()}`);
}

test("the graph is no toy, and reaches every pair of states", () => {
  assert.ok(paths.length > 300, `${paths.length} paths`);
  const pairs = new Set(paths.map(({ state }) => JSON.stringify(state.context.at)));
  assert.equal(pairs.size, 15);
});

test("every shortest path replayed: legal moves, the same end, one session at most", () => {
  for (const path of paths) {
    const world = linkWorld();
    for (const { event } of path.steps) {
      if (event.type.startsWith("xstate.init")) continue;
      world.send(event);
      assertSessions(world);
      assert.deepEqual(world.actor.getSnapshot().value, world.context().at);
    }
    assert.equal(serialize(world.actor.getSnapshot()), serialize(path.state));
    for (const move of movesOf(world)) assert.ok(LEGAL.has(move), move);
    world.actor.stop();
    assert.equal(world.live(), 0);
  }
});

test("every event in every state: each legal move but one is taken, and no other", () => {
  const taken = new Set<string>();
  for (const { state } of paths) {
    for (const event of EVENTS) {
      const [, actions] = transition(linkMachine, state as SnapshotFrom<typeof linkMachine>, event);
      for (const { type, params } of actions as readonly { type: string; params?: { event?: LinkFact } }[]) {
        if (type !== "xstate.emit" || params?.event?.type !== "link.transition") continue;
        const { region, from, to } = params.event.fact;
        taken.add(`${region} ${from}>${to}`);
      }
    }
  }
  const expected = [...LEGAL].filter((move) => !NEVER_TAKEN.has(move));
  assert.deepEqual([...taken].sort(), expected.sort());
});

type Step = { readonly kind: "pass"; readonly ms: number } | { readonly kind: "event"; readonly event: LinkEvent };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("event" as const), event: fc.constantFrom(...SAID) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("event" as const), event: fc.constantFrom(...COMMANDS, ...JUDGED) }),
    },
  ),
  { maxLength: 60 },
);

test("after any events: legal moves, one session at most, and it is never given up", () => {
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (list, u) => {
      const world = linkWorld({}, () => u);
      world.send({ type: "link.connect" });
      for (const step of list) {
        if (step.kind === "pass") world.clock.increment(step.ms);
        else if (step.event.type.startsWith("session.")) world.say(step.event as never);
        else world.send(step.event);
        assertSessions(world);
      }
      for (const move of movesOf(world)) assert.ok(LEGAL.has(move), move);
      const { connection } = world.context().at;
      if (connection === "DISCONNECTED") return;
      const attempts = world.versions.length;
      // ERROR waits a minute at most, a breaker as long; a connect that hangs has five seconds.
      for (let i = 0; i < 14; i++) world.clock.increment(5_000);
      assert.ok(world.live() === 1 || world.versions.length > attempts, `another attempt after ${world.state()}`);
      world.actor.stop();
    }),
    { numRuns: 300 },
  );
});
