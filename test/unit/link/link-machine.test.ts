/** The link machine, move by move, in simulated time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_BACKOFF } from "@acktor/shared/link/backoff";
import { linkMachine } from "@acktor/shared/link/link-machine";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import { initialTransition, transition } from "xstate";
import {
  connectedWorld,
  failConnects,
  type LinkWorld,
  linkInput,
  linkWorld,
  passUntilConnecting,
} from "../../support/link-world.ts";

const REFUSED: FailureInput = { kind: "error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" };
const CLOSED: FailureInput = { kind: "closed", beforeConnack: false };
const CLOSED_EARLY: FailureInput = { kind: "closed", beforeConnack: true };
const BAD_PASSWORD: FailureInput = { kind: "connack", protocolVersion: 5, code: 0x86 };
const NO_FIVE: FailureInput = { kind: "connack", protocolVersion: 5, code: 1 };
const TAKEN_OVER: FailureInput = { kind: "disconnect", code: 0x8e };
const BUSY: FailureInput = { kind: "connack", protocolVersion: 5, code: 0x89 };

test("the first transition is pure: DISCONNECTED, CLOSED, nothing to do; connect spawns a session", () => {
  const [initial, nothing] = initialTransition(linkMachine, linkInput());
  assert.deepEqual(initial.value, { connection: "DISCONNECTED", breaker: "CLOSED" });
  assert.deepEqual(
    nothing.filter(({ type }) => String(type) === "xstate.emit"),
    [],
  );
  const [next] = transition(linkMachine, initial, { type: "link.connect" });
  assert.deepEqual(next.value, { connection: "CONNECTING", breaker: "CLOSED" });
  assert.ok(next.children.session !== undefined);
});

test("facts of a life: connected, lost, reconnected with the time without", () => {
  const world = connectedWorld({ backoff: { ...DEFAULT_BACKOFF, kind: "equal" } });
  world.pass(1_000);
  world.ended(CLOSED);
  assert.equal(world.state(), "RECONNECTING/CLOSED");
  const waited = passUntilConnecting(world);
  world.connected();
  const facts = world.facts.filter(({ type }) => type !== "link.transition");
  assert.deepEqual(
    facts.map(({ type }) => type),
    ["link.connected", "link.disconnected", "link.error", "link.connected", "link.reconnected"],
  );
  const reconnected = facts.at(-1);
  assert.ok(reconnected?.type === "link.reconnected");
  assert.equal(reconnected.fact.afterMs, waited);
  const lost = facts[1];
  assert.ok(lost?.type === "link.disconnected");
  assert.equal(lost.fact.expected, false);
  assert.equal(lost.fact.failure?.reason, "connection closed");
});

// LINK_MACHINE-1
test("a session stays open after CONNECTING, and none is open in DISCONNECTED, RECONNECTING and ERROR", () => {
  const world = connectedWorld();
  assert.equal(world.live(), 1);
  world.ended(CLOSED);
  assert.equal(world.live(), 0);
  passUntilConnecting(world);
  assert.equal(world.live(), 1);
  world.ended(BAD_PASSWORD);
  assert.equal(world.state(), "ERROR/CLOSED");
  assert.equal(world.live(), 0);
  world.send({ type: "link.connect" });
  world.connected();
  world.send({ type: "link.disconnect" });
  assert.equal(world.state(), "DISCONNECTED/CLOSED");
  assert.equal(world.live(), 0);
  world.pass(100_000);
  assert.equal(world.state(), "DISCONNECTED/CLOSED", "a person's disconnect holds");
});

test("a session that crashes does not stop the machine", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(REFUSED);
  world.crash(new Error("PEM routines: no start line"));
  assert.equal(world.state(), "RECONNECTING/CLOSED");
  assert.equal(world.actor.getSnapshot().status, "active");
  assert.equal(world.context().failure?.type, "application");
  passUntilConnecting(world);
  world.connected();
  assert.equal(world.state(), "CONNECTED/CLOSED");
});

test("no way to CONNECTED within the connect timeout: RECONNECTING, and the session is gone", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.pass(4_990);
  assert.equal(world.state(), "CONNECTING/CLOSED");
  world.pass(10);
  assert.equal(world.state(), "RECONNECTING/CLOSED");
  assert.equal(world.live(), 0);
  assert.equal(world.context().failure?.type, "timeout");
  assert.equal(world.context().failedConnects, 1);
});

// LINK_MACHINE-6
test("the backoff grows, and is reset only by a connection that held for 20 s", () => {
  const world = connectedWorld();
  world.ended(CLOSED);
  assert.equal(world.context().wait.ms, 250);
  passUntilConnecting(world);
  world.connected();
  world.pass(19_990);
  world.ended(CLOSED);
  assert.equal(world.context().wait.ms, 500, "it did not hold");
  assert.equal(world.context().attempt, 2);
  passUntilConnecting(world);
  world.connected();
  world.pass(20_000);
  assert.equal(world.context().attempt, 0);
  world.ended(CLOSED);
  assert.equal(world.context().wait.ms, 250);
});

test("a busy broker gets the fifth step at least", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(BUSY);
  assert.equal(world.context().wait.ms, 4_000);
});

// LINK_MACHINE-2
test("it never gives up: 200 failures, and the 201st attempt comes within the cap", () => {
  const world = linkWorld({}, () => 0.999_999);
  world.send({ type: "link.connect" });
  failConnects(world, 200);
  assert.ok(passUntilConnecting(world) <= 8_000);
  world.connected();
  assert.equal(world.state(), "CONNECTED/CLOSED");
});

// LINK_MACHINE-3
test("credentials lead to ERROR, which probes singly after 30 to 60 s", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(BAD_PASSWORD);
  assert.equal(world.versions.length, 1);
  for (let probe = 2; probe <= 4; probe++) {
    world.pass(44_990);
    assert.equal(world.state().split("/")[0], "ERROR");
    world.pass(10);
    assert.equal(world.versions.length, probe);
    world.ended(BAD_PASSWORD);
  }
});

test("a take-over leads to ERROR, not into a hot loop; an operator's reset connects immediately", () => {
  const world = connectedWorld();
  world.ended(TAKEN_OVER);
  assert.equal(world.state(), "ERROR/CLOSED");
  world.pass(20_000);
  assert.equal(world.versions.length, 1);
  world.send({ type: "link.reset" });
  assert.equal(world.state(), "CONNECTING/CLOSED");
  assert.equal(world.context().attempt, 0);
});

// LINK_MACHINE-5
test("a broker without MQTT 5 gets 3.1.1 immediately; that is not a failure, and is remembered", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(NO_FIVE);
  assert.deepEqual(world.versions, [5, 4]);
  assert.equal(world.live(), 1);
  world.connected();
  assert.equal(world.state(), "CONNECTED/CLOSED");
  assert.equal(world.context().failedConnects, 0);
  assert.equal(world.facts.filter(({ type }) => type === "link.error").length, 0);
  world.ended(CLOSED);
  passUntilConnecting(world);
  assert.deepEqual(world.versions, [5, 4, 4]);
});

test("refused as 3.1.1 too: ERROR", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(NO_FIVE);
  world.ended({ kind: "connack", protocolVersion: 4, code: 1 });
  assert.equal(world.state(), "ERROR/CLOSED");
  assert.equal(world.live(), 0);
});

test("after a close before CONNACK the link also tries 3.1.1, but does not count it as a refusal: the next attempt uses 5 again", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended(CLOSED_EARLY);
  world.ended(CLOSED_EARLY);
  assert.equal(world.state(), "RECONNECTING/CLOSED");
  assert.equal(world.context().failedConnects, 1);
  passUntilConnecting(world);
  assert.deepEqual(world.versions, [5, 4, 5]);
});

test("a broker counts as 3.1.1 only after 3.1.1 worked twice where 5 was closed", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  for (let i = 0; i < 2; i++) {
    world.ended(CLOSED_EARLY);
    world.connected();
    world.ended(CLOSED);
    passUntilConnecting(world);
  }
  assert.deepEqual(world.versions, [5, 4, 5, 4, 4]);
});

test("a configured version is the only one used", () => {
  for (const [version, spoken] of [
    ["5", 5],
    ["3.1.1", 4],
  ] as const) {
    const world = linkWorld({ version });
    world.send({ type: "link.connect" });
    world.ended({ kind: "connack", protocolVersion: spoken, code: spoken === 5 ? 0x84 : 1 });
    assert.deepEqual(world.versions, [spoken]);
    assert.equal(world.state(), "ERROR/CLOSED");
  }
});

const CAN: Readonly<Record<string, readonly string[]>> = {
  "DISCONNECTED/CLOSED": ["link.connect", "breaker.open"],
  "CONNECTING/CLOSED": ["link.disconnect", "breaker.open"],
  "CONNECTED/CLOSED": ["link.disconnect", "breaker.open"],
  "CONNECTED/OPEN": ["link.disconnect", "breaker.open", "breaker.close"],
  "RECONNECTING/CLOSED": ["link.disconnect", "link.reset", "breaker.open"],
  "ERROR/CLOSED": ["link.connect", "link.disconnect", "link.reset", "breaker.open"],
};
const COMMANDS = ["link.connect", "link.disconnect", "link.reset", "breaker.open", "breaker.close"] as const;

test("the snapshot shows in advance which commands are possible", () => {
  const reach: Readonly<Record<string, (world: LinkWorld) => void>> = {
    "DISCONNECTED/CLOSED": () => undefined,
    "CONNECTING/CLOSED": (world) => world.send({ type: "link.connect" }),
    "CONNECTED/CLOSED": (world) => {
      world.send({ type: "link.connect" });
      world.connected();
    },
    "CONNECTED/OPEN": (world) => {
      world.send({ type: "link.connect" });
      world.connected();
      world.send({ type: "breaker.tripped", by: "publish" });
    },
    "RECONNECTING/CLOSED": (world) => {
      world.send({ type: "link.connect" });
      world.ended(REFUSED);
    },
    "ERROR/CLOSED": (world) => {
      world.send({ type: "link.connect" });
      world.ended(BAD_PASSWORD);
    },
  };
  for (const [state, possible] of Object.entries(CAN)) {
    const world = linkWorld();
    reach[state]?.(world);
    assert.equal(world.state(), state);
    const snapshot = world.actor.getSnapshot();
    const can = COMMANDS.filter((type) => snapshot.can({ type }));
    assert.deepEqual([...can].sort(), [...possible].sort(), state);
  }
});

// LINK_MACHINE-5
test("a token that is renewed before the connection works is no failed connect, and waits for nothing", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  const failure = { type: "authentication", retryable: true, reason: "renewed", code: null } as const;
  world.say({ type: "session.ended", failure, remedy: "renew" });
  assert.equal(world.state(), "CONNECTING/CLOSED");
  assert.equal(world.context().failedConnects, 0);
  assert.equal(world.live(), 1);
});

// WILL_FORM-1
test("a will that the broker refused goes again with the first connect after an hour", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  world.ended({ kind: "connack", protocolVersion: 5, code: 0x9a });
  world.connected();
  assert.equal(world.context().will.form, "plain");
  const reconnected = (): string => {
    world.ended(CLOSED);
    passUntilConnecting(world);
    const { form } = world.context().will;
    world.connected();
    return form;
  };
  world.clock.increment(3_500_000);
  assert.equal(reconnected(), "plain");
  world.clock.increment(100_000);
  assert.equal(reconnected(), "full");
});
