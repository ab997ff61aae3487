/** The link machine's breaker together with its connection, in simulated time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import { connectedWorld, failConnects, linkWorld, passUntilConnecting } from "../../support/link-world.ts";

const REFUSED: FailureInput = { kind: "error", code: "ECONNREFUSED", message: "connect ECONNREFUSED" };
const CLOSED: FailureInput = { kind: "closed", beforeConnack: false };
const BAD_PASSWORD: FailureInput = { kind: "connack", protocolVersion: 5, code: 0x86 };
// LINK_MACHINE-5
test("five connects failed in a row open the breaker; refused logins and timeouts are failures too", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  failConnects(world, 3);
  passUntilConnecting(world);
  world.pass(5_000);
  assert.equal(world.state(), "RECONNECTING/CLOSED", "the fourth: a timeout");
  passUntilConnecting(world);
  world.ended(BAD_PASSWORD);
  assert.equal(world.state(), "ERROR/OPEN");
});

// LINK_MACHINE-3
test("opened by connects it waits at most 5 s, at the same time as the backoff and not after it", () => {
  const world = linkWorld({ backoff: { kind: "equal", baseMs: 4_000, capMs: 4_000, floorMs: 100 } }, () => 0.999);
  world.send({ type: "link.connect" });
  failConnects(world, 5);
  assert.equal(world.state(), "RECONNECTING/OPEN");
  const waited = passUntilConnecting(world);
  assert.ok(waited > 4_900 && waited <= 5_010, `${waited} ms: the longer of 4 s and 5 s`);
  assert.equal(world.state(), "CONNECTING/HALF_OPEN");
  world.ended(REFUSED);
  assert.equal(world.state(), "RECONNECTING/OPEN", "one probe");
  assert.ok(passUntilConnecting(world) <= 5_010, "not longer the second time");
  world.connected();
  assert.equal(world.state(), "CONNECTED/CLOSED");
});

// LINK_MACHINE-4
test("opened by publishes, the breaker does not close a healthy connection, and its wait doubles up to 60 s", () => {
  const world = connectedWorld({}, () => 0.999_999);
  world.send({ type: "breaker.tripped", by: "publish" });
  for (const seconds of [5, 10, 20, 40, 60, 60]) {
    assert.equal(world.state(), "CONNECTED/OPEN");
    world.pass(seconds * 1_000 - 10);
    assert.equal(world.state(), "CONNECTED/OPEN");
    world.pass(10);
    assert.equal(world.state(), "CONNECTED/HALF_OPEN");
    world.send({ type: "breaker.relapsed", by: "publish" });
  }
  assert.equal(world.live(), 1);
  world.pass(60_000);
  world.send({ type: "breaker.proved" });
  assert.equal(world.state(), "CONNECTED/CLOSED");
  world.send({ type: "breaker.tripped", by: "publish" });
  assert.ok(world.context().opened.ms <= 5_000, "a proof starts the count again");
});

test("a reconnect waits for a breaker that publishes opened, and a connect does not close that breaker", () => {
  const world = connectedWorld();
  world.send({ type: "breaker.tripped", by: "publish" });
  world.ended(CLOSED);
  world.pass(3_700);
  assert.equal(world.state(), "RECONNECTING/OPEN");
  world.pass(50);
  assert.equal(world.state(), "CONNECTING/HALF_OPEN");
  world.connected();
  assert.equal(world.state(), "CONNECTED/HALF_OPEN");
  world.send({ type: "breaker.proved" });
  assert.equal(world.state(), "CONNECTED/CLOSED");
});

// LINK_MACHINE-4
test("a breaker that an operator opened stays open, holds back no connect, and is closed by an operator", () => {
  const world = connectedWorld();
  world.send({ type: "breaker.open" });
  world.pass(200_000);
  assert.equal(world.state(), "CONNECTED/OPEN");
  world.ended(CLOSED);
  passUntilConnecting(world);
  world.connected();
  assert.equal(world.state(), "CONNECTED/OPEN");
  world.send({ type: "breaker.close" });
  assert.equal(world.state(), "CONNECTED/CLOSED");
  const moves = world.facts.flatMap((fact) =>
    fact.type === "link.transition" && fact.fact.region === "breaker" ? [`${fact.fact.from}>${fact.fact.to}`] : [],
  );
  assert.deepEqual(moves, ["CLOSED>OPEN", "OPEN>HALF_OPEN", "HALF_OPEN>CLOSED"]);
});

test("an operator can pin what failures opened", () => {
  const world = connectedWorld();
  world.send({ type: "breaker.tripped", by: "publish" });
  world.send({ type: "breaker.open" });
  world.pass(200_000);
  assert.equal(world.state(), "CONNECTED/OPEN");
});

test("reset from RECONNECTING: now, breaker closed, backoff from the start", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  failConnects(world, 5);
  assert.equal(world.state(), "RECONNECTING/OPEN");
  world.send({ type: "link.reset" });
  assert.equal(world.state(), "CONNECTING/CLOSED");
  assert.equal(world.context().attempt, 0);
  world.ended(REFUSED);
  assert.equal(world.context().wait.ms, 250);
  assert.equal(world.state(), "RECONNECTING/CLOSED", "and the run of failures too");
});

test("connect from DISCONNECTED does not wait for a breaker that failures opened", () => {
  const world = linkWorld();
  world.send({ type: "link.connect" });
  failConnects(world, 5);
  world.send({ type: "link.disconnect" });
  assert.equal(world.state(), "DISCONNECTED/OPEN");
  world.send({ type: "link.connect" });
  assert.equal(world.state(), "CONNECTING/HALF_OPEN");
  world.connected();
  assert.equal(world.state(), "CONNECTED/CLOSED");
});
