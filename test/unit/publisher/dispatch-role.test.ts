/** The dispatcher as a role: gates, claims, and its end. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { DispatchRole } from "@acktor/publisher/dispatch/dispatch-role";
import { Doorbell } from "@acktor/publisher/dispatch/doorbell";
import type { ClaimedBatch, LeasedMessage, Outcome } from "@acktor/publisher/outbox/outbox";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { NO_TROUBLES } from "@acktor/shared/runtime/troubles";
import { AWAY } from "../../support/db-results.ts";
import { dispatcherRig } from "../../support/dispatcher-rig.ts";
import type { FakeLink } from "../../support/fake-link.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { leased } from "../../support/leased.ts";
import { until } from "../../support/until.ts";

function claimed(messages: readonly LeasedMessage[], more = false): Outcome<ClaimedBatch> {
  return { ok: true, value: { messages, more, anyParked: false } };
}

function rig(t: TestContext, pollMs = 60_000) {
  const doorbell = new Doorbell();
  const { dispatcher, link, book, told } = dispatcherRig({ doorbell, clock: SYSTEM_CLOCK });
  link.room = 1_000;
  const state = {
    /** Limits of the claims. */
    claims: [] as number[],
    supersedes: 0,
    released: () => told.released.flatMap(({ messages }) => messages.map((m) => m.messageId)),
    answer: (_limit: number): Outcome<ClaimedBatch> | Promise<Outcome<ClaimedBatch>> => claimed([]),
  };
  const role = new DispatchRole({
    ...{ dispatcher, doorbell, link, clock: SYSTEM_CLOCK, pollMs, leaseMs: 15_000 },
    ...{ logger: keptLogger().logger, troubles: NO_TROUBLES, watch: { followDispatcher: () => undefined } },
    outbox: {
      async claim(limit) {
        state.claims.push(limit);
        return state.answer(limit);
      },
      async supersede() {
        state.supersedes++;
        return { ok: true, value: [] };
      },
    },
  });
  const abort = new AbortController();
  t.after(() => role.stop());
  const claims = (count: number) => until(() => state.claims.length >= count, 5_000);
  return { role, dispatcher, doorbell, book, link, state, abort, claims };
}

function connect(link: FakeLink, state: "CONNECTED" | "DISCONNECTED"): void {
  link.state = state;
  link.emit("link.transition", { region: "connection", from: "x", to: state, event: "x" });
}

test("DISPATCH_ROLE-1: it claims while the link is CONNECTED, and gives back when it is not", async (t) => {
  const { role, link, state, abort, claims, dispatcher, doorbell } = rig(t);
  connect(link, "DISCONNECTED");
  link.room = 0;
  const ran = role.run(abort.signal);
  assert.equal(role.open, false);
  doorbell.ringForKnownRows();
  const message = leased();
  state.answer = () => claimed([message]);
  connect(link, "CONNECTED");
  await claims(1);
  assert.equal(state.claims[0], 500);
  await until(() => dispatcher.queued === 1, 2_000);
  connect(link, "DISCONNECTED");
  assert.deepEqual([role.open, dispatcher.queued, state.released()], [false, 0, [message.messageId]]);
  abort.abort();
  await ran;
});

test("an open breaker and a pause close the gate too", async (t) => {
  const { role, link, abort } = rig(t);
  const ran = role.run(abort.signal);
  const breaker = (to: "CLOSED" | "OPEN" | "HALF_OPEN"): void => {
    link.breaker = to;
    link.emit("link.transition", { region: "breaker", from: "x", to, event: "x" });
  };
  assert.equal(role.open, true);
  breaker("OPEN");
  assert.equal(role.open, false);
  breaker("HALF_OPEN");
  assert.equal(role.open, true);
  role.setPaused(true);
  assert.deepEqual([role.open, role.paused], [false, true]);
  role.setPaused(false);
  assert.equal(role.open, true);
  abort.abort();
  await ran;
});

test("DISPATCHER_MACHINE-3: a claim that only set rows of parked destinations aside is followed by the next immediately", async (t) => {
  const { role, state, abort, claims, dispatcher } = rig(t);
  const message = leased();
  state.answer = () => (state.claims.length < 5 ? claimed([], true) : claimed([message]));
  const ran = role.run(abort.signal);
  await claims(5);
  await until(() => dispatcher.unacked === 1, 2_000);
  assert.equal(state.claims.length, 5);
  abort.abort();
  await ran;
});

test("a claim that filled its limit is followed by the next when memory is low", async (t) => {
  const { role, state, abort, claims } = rig(t);
  state.answer = (limit) => {
    const full = Array.from({ length: limit }, (_, i) => leased({ topic: `t/${i}` }));
    return state.claims.length === 1 ? claimed(full, true) : claimed([]);
  };
  const ran = role.run(abort.signal);
  await claims(2);
  abort.abort();
  await ran;
});

test("with memory full nothing is claimed, and the claims continue when there is room", async (t) => {
  const { role, link, state, abort, claims, dispatcher, doorbell, book } = rig(t);
  link.room = 0;
  state.answer = (limit) =>
    claimed(
      Array.from({ length: limit }, (_, i) => leased({ topic: `t/${i}` })),
      true,
    );
  const ran = role.run(abort.signal);
  for (let wakes = 0; dispatcher.room > 0; wakes++) {
    await claims(wakes + 1);
    await until(() => role.actor.getSnapshot().value === "SENDING", 2_000);
    doorbell.ringForKnownRows();
    assert.ok(wakes < 10);
  }
  const full = state.claims.length;
  await until(() => role.actor.getSnapshot().value === "SENDING", 2_000);
  assert.equal(state.claims.length, full);
  state.answer = () => claimed([]);
  link.room = 10_000;
  link.emit("link.writable", {});
  for (let turn = 0; turn < 200 && state.claims.length === full; turn++) {
    for (const { message } of link.published.splice(0)) {
      const entry = book.find(message.correlationData?.toString() ?? "");
      if (entry !== null) dispatcher.answered(entry);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(state.claims.length > full);
  abort.abort();
  await ran;
});

test("DOORBELL-1: a ring for new rows looks for superseded retained rows immediately; without one, once a second", async (t) => {
  const { role, state, abort, claims, doorbell } = rig(t, 20);
  const ran = role.run(abort.signal);
  await claims(4);
  assert.equal(state.supersedes, 1);
  doorbell.ring();
  await until(() => state.supersedes === 2, 2_000);
  abort.abort();
  await ran;
});

test("a failed claim does not end the role; it claims again later", async (t) => {
  const { role, state, abort, claims, dispatcher } = rig(t, 20);
  state.answer = () => AWAY;
  const ran = role.run(abort.signal);
  await claims(3);
  state.answer = () => claimed([leased()]);
  await until(() => dispatcher.unacked === 1, 5_000);
  abort.abort();
  await ran;
});

test("a stop waits for the claim in progress and releases its rows; it may come twice and early", async (t) => {
  const early = rig(t);
  await Promise.all([early.role.stop(), early.role.stop()]);
  const { role, state, abort, claims } = rig(t);
  let end: (result: Outcome<ClaimedBatch>) => void = () => undefined;
  state.answer = () => new Promise((resolve) => (end = resolve));
  const ran = role.run(abort.signal);
  await claims(1);
  let stopped = false;
  const stop = Promise.all([role.stop(), role.stop()]).then(() => {
    stopped = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stopped, false);
  const message = leased();
  end(claimed([message]));
  await stop;
  assert.deepEqual(state.released(), [message.messageId]);
  abort.abort();
  await ran;
});

test("DISPATCH_ROLE-2: two claims never run at the same time, also when the gate closes and opens during one", async (t) => {
  const { role, link, state, abort, claims } = rig(t);
  let running = 0;
  const ends: (() => void)[] = [];
  state.answer = () => {
    running++;
    assert.equal(running, 1);
    return new Promise((resolve) => {
      ends.push(() => {
        running--;
        resolve(claimed([]));
      });
    });
  };
  const ran = role.run(abort.signal);
  await claims(1);
  connect(link, "DISCONNECTED");
  connect(link, "CONNECTED");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(state.claims.length, 1);
  ends[0]?.();
  await claims(2);
  ends[1]?.();
  abort.abort();
  await ran;
});

test("a run whose machine broke rejects; started again it works, whenever the broken run's signal is aborted", async (t) => {
  const { role, state, abort, claims } = rig(t);
  const broken = role.run(abort.signal);
  await claims(1);
  const failure = new Error("broken by the test");
  // An event that cannot even be looked at does to the machine what an action that throws does.
  const poison = Object.defineProperty({ type: "outbox.woken" as const }, "type", {
    get() {
      throw failure;
    },
  });
  role.actor.send(poison);
  await assert.rejects(broken, failure);
  abort.abort();
  const again = new AbortController();
  const ran = role.run(again.signal);
  assert.equal(role.open, true);
  const before = state.claims.length;
  await claims(before + 1);
  again.abort();
  await ran;
});

test("DISPATCH_ROLE-3: an exception in a timer or a listener ends the run, not the process; the next run works", async (t) => {
  const { role, link, abort, claims } = rig(t);
  const capacity = link.capacity;
  const ran = role.run(abort.signal);
  await claims(1);
  link.capacity = () => {
    throw new Error("no capacity");
  };
  link.emit("link.writable", {});
  await assert.rejects(ran, /no capacity/);
  link.capacity = capacity;
  // As the supervisor does before it starts the role again.
  abort.abort();
  const next = new AbortController();
  const again = role.run(next.signal);
  await claims(2);
  next.abort();
  await again;
});
