/** Every shortest path of the dispatcher machine, replayed in simulated time; and its promises under random events. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ClaimOutput,
  type DispatcherEvent,
  dispatcherMachine,
} from "@acktor/publisher/dispatch/dispatcher-machine";
import fc from "fast-check";
import { createActor, SimulatedClock, type SnapshotFrom, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { simulatedWork } from "../support/simulated-work.ts";

const POLL_MS = 200;

const EVENTS: readonly DispatcherEvent[] = [
  { type: "gates.opened" },
  { type: "gates.closed" },
  { type: "outbox.woken" },
  { type: "queue.low" },
];
const OUTPUTS: Readonly<Record<string, ClaimOutput>> = {
  "nothing is due": { claimed: 0, more: false, full: false },
  some: { claimed: 3, more: false, full: false },
  "as many as asked for": { claimed: 500, more: true, full: false },
  "only of parked destinations": { claimed: 0, more: true, full: false },
  "memory is full": { claimed: 0, more: true, full: true },
};

/** Events that the path finder is to try: ours, the claim's ends, the timers'. */
const TRIED = [
  ...EVENTS,
  ...Object.values(OUTPUTS).map((output) => ({ type: "xstate.done.actor.claim", output })),
  { type: "xstate.error.actor.claim", error: new Error("no database") },
  { type: "xstate.after.poll.dispatcher.SENDING" },
  { type: "xstate.after.poll.dispatcher.WAITING" },
] as unknown as readonly DispatcherEvent[];

function start() {
  const clock = new SimulatedClock();
  const claim = simulatedWork<ClaimOutput>();
  const actor = createActor(dispatcherMachine.provide({ actors: { claim: claim.logic } }), {
    input: { pollMs: POLL_MS },
    clock,
  });
  actor.start();
  const state = (): string => String(actor.getSnapshot().value);
  /** As long as the machine waits for its poll now. */
  const poll = (): void => clock.increment(POLL_MS * 2 ** Math.min(4, actor.getSnapshot().context.failures));
  return { actor, clock, claim, state, poll };
}

/** What decides where an event leads; failures beyond the second change only how long it waits. */
function situation({ value, context }: SnapshotFrom<typeof dispatcherMachine>): string {
  return JSON.stringify([value, context.woken, context.more, Math.min(2, context.failures)]);
}

const paths = getShortestPaths(dispatcherMachine, {
  input: { pollMs: POLL_MS },
  events: TRIED,
  serializeState: (state) => situation(state as SnapshotFrom<typeof dispatcherMachine>),
});

test("the paths reach every state", () => {
  assert.deepEqual([...new Set(paths.map((path) => path.state.value))].sort(), [
    "CLAIMING",
    "IDLE",
    "SENDING",
    "WAITING",
  ]);
  assert.ok(paths.length >= 20, `${paths.length} paths`);
});

/** Where each event leads; what is not named stays where it is. `woken` and `more` are what the machine remembers. */
const MOVES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  IDLE: { "gates.opened": "CLAIMING" },
  CLAIMING: {
    "gates.closed": "IDLE",
    "nothing is due": "WAITING",
    "nothing is due, woken": "CLAIMING",
    some: "SENDING",
    "as many as asked for": "SENDING",
    "only of parked destinations": "CLAIMING",
    "memory is full": "SENDING",
    "xstate.error.actor.claim": "WAITING",
  },
  SENDING: {
    "gates.closed": "IDLE",
    "outbox.woken": "CLAIMING",
    "queue.low": "WAITING",
    "queue.low, woken": "CLAIMING",
    "queue.low, more": "CLAIMING",
    "xstate.after.poll.dispatcher.SENDING": "CLAIMING",
  },
  WAITING: {
    "gates.closed": "IDLE",
    "outbox.woken": "CLAIMING",
    "xstate.after.poll.dispatcher.WAITING": "CLAIMING",
  },
};

test("from each situation each event leads where the table says, and nowhere else", () => {
  for (const { state } of paths) {
    const { value, context } = state;
    const remembers = [...(context.woken ? [", woken"] : []), ...(context.more ? [", more"] : [])];
    for (const event of TRIED) {
      const { type, output } = event as { type: string; output?: ClaimOutput };
      const name = output === undefined ? type : describe(output);
      const moves = MOVES[value] ?? {};
      const remembered = remembers.map((what) => moves[`${name}${what}`]).find((to) => to !== undefined);
      const to = transition(dispatcherMachine, state, event)[0].value;
      assert.equal(to, remembered ?? moves[name] ?? value, `${situation(state)} on ${name}`);
    }
  }
});

for (const path of paths) {
  const steps = path.steps.map((step) => step.event as { type: string; output?: ClaimOutput }).slice(1);
  test(`path: ${["start", ...steps.map(({ type, output }) => (output ? describe(output) : type))].join(" → ")}`, async () => {
    const { actor, claim, poll } = start();
    for (const step of steps) {
      if (step.output !== undefined) await claim.done(step.output);
      else if (step.type.startsWith("xstate.error")) await claim.failed();
      else if (step.type.startsWith("xstate.after")) poll();
      else actor.send(step as DispatcherEvent);
      assert.ok(claim.running() <= 1);
    }
    assert.equal(situation(actor.getSnapshot()), situation(path.state));
    assert.equal(claim.running(), path.state.value === "CLAIMING" ? 1 : 0);
    actor.stop();
  });
}

function describe(output: ClaimOutput): string {
  return Object.entries(OUTPUTS).find(([, one]) => one === output)?.[0] ?? "?";
}

const step = fc.oneof(
  fc.constantFrom(...EVENTS.map((event) => event.type), "gates.opened" as const),
  fc.constantFrom(...Object.keys(OUTPUTS)).map((name) => ({ ends: name })),
  fc.constantFrom("fails" as const, "time" as const),
);

test("DISPATCHER_MACHINE-2: in every sequence of events: one claim at most, none behind a closed gate, and none long after a wake", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { actor, clock, claim } = start();
      let open = false;
      let owed = false;
      for (const what of steps) {
        const before = claim.begun;
        if (typeof what === "object") {
          if (claim.running() > 0) await claim.done(OUTPUTS[what.ends] as ClaimOutput);
        } else if (what === "fails") {
          if (claim.running() > 0) await claim.failed();
        } else if (what === "time") clock.increment(POLL_MS / 2);
        else {
          if (what === "gates.opened") open = true;
          if (what === "gates.closed") open = false;
          if (what === "outbox.woken") owed = open;
          actor.send({ type: what });
        }
        assert.ok(claim.running() <= 1);
        assert.equal(actor.getSnapshot().value === "IDLE", !open);
        if (!open) assert.deepEqual([claim.begun, claim.running()], [before, 0]);
        if (claim.begun > before || !open) owed = false;
      }
      // What a wake is owed comes with the end of the claim that was under way, or with the next poll.
      const before = claim.begun;
      if (claim.running() > 0) await claim.done({ claimed: 0, more: false, full: false });
      clock.increment(POLL_MS * 16);
      if (owed) assert.ok(claim.begun > before, "the wake was lost");
      actor.stop();
    }),
    { numRuns: 200 },
  );
});

test("DISPATCHER_MACHINE-1: a wake during a claim is followed by another claim immediately", async () => {
  const { actor, claim, state } = start();
  actor.send({ type: "gates.opened" });
  actor.send({ type: "outbox.woken" });
  assert.equal(claim.begun, 1);
  await claim.done({ claimed: 0, more: false, full: false });
  assert.deepEqual([state(), claim.begun], ["CLAIMING", 2]);
  await claim.done({ claimed: 0, more: false, full: false });
  assert.deepEqual([state(), claim.begun], ["WAITING", 2]);
});

test("a wake during a claim that found something is followed by another when memory is low", async () => {
  const { actor, claim, state } = start();
  actor.send({ type: "gates.opened" });
  actor.send({ type: "outbox.woken" });
  await claim.done({ claimed: 3, more: false, full: false });
  assert.equal(state(), "SENDING");
  actor.send({ type: "queue.low" });
  assert.deepEqual([state(), claim.begun], ["CLAIMING", 2]);
});

test("after failed claims the poll doubles, up to sixteen times, and one that works forgets it", async () => {
  const { actor, clock, claim } = start();
  actor.send({ type: "gates.opened" });
  for (const factor of [2, 4, 8, 16, 16]) {
    await claim.failed();
    const before = claim.begun;
    clock.increment(POLL_MS * factor - 1);
    assert.equal(claim.begun, before);
    clock.increment(1);
    assert.equal(claim.begun, before + 1);
  }
  await claim.done({ claimed: 0, more: false, full: false });
  const before = claim.begun;
  clock.increment(POLL_MS);
  assert.equal(claim.begun, before + 1);
});
