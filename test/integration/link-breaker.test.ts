/** The circuit breaker on a live connection: what trips it, which publishes it admits, and that it drops none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishOutcome } from "@acktor/shared/link/link";
import { startFakeBroker } from "../support/fake-broker.ts";
import { connectedLink, type TestLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

const DEADLINES = { publishDeadlineMs: 200, silenceMs: 60_000 } as const;

function publishSome(test: TestLink, outcomes: PublishOutcome[], count: number): void {
  for (let n = 0; n < count; n++) {
    test.link.publish({ topic: "a", payload: "x", qos: 1, retain: false }, (outcome) => outcomes.push(outcome));
  }
}

/** Publishes until the link has no capacity. @returns how many went */
function publishAll(test: TestLink, outcomes: PublishOutcome[], limit = 1_000): number {
  let sent = 0;
  for (; sent < limit && test.link.capacity() > 0; sent++) publishSome(test, outcomes, 1);
  return sent;
}

test("publishes without answers open it; the connection stays; three probes close it", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const world = await connectedLink(t, { url: broker.url, ...DEADLINES });
  const { link } = world;
  const outcomes: PublishOutcome[] = [];
  publishSome(world, outcomes, 20);
  await until(() => link.info().breaker === "OPEN", 5_000, "OPEN");
  assert.equal(link.info().state, "CONNECTED");
  assert.equal(link.capacity(), 0);
  assert.deepEqual(await world.publish(), { kind: "unsent", why: "breaker_open" });

  broker.setScript(() => false);
  await until(() => link.info().breaker === "HALF_OPEN", 5_000, "HALF_OPEN");
  assert.equal(link.capacity(), 3);
  const probes: PublishOutcome[] = [];
  assert.equal(publishAll(world, probes), 3, "three probes and not one more");
  assert.deepEqual(await world.publish(), { kind: "unsent", why: "breaker_open" });
  await until(() => link.info().breaker === "CLOSED", 5_000, "CLOSED");
  // The first window of 32, three answers wider, less the 20 whose packet ids stay taken.
  assert.equal(link.capacity(), 15);
  assert.equal(broker.connections.length, 1);
  assert.equal(link.info().stats.breakerOpenings, 1);
  assert.equal(outcomes.filter(({ kind }) => kind === "lost").length, 20);
});

test("a failed probe opens it again; each opening is reported, and so is room", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const world = await connectedLink(t, { url: broker.url, ...DEADLINES });
  const { link, facts } = world;
  // The caller that waits for room sends the probes.
  link.on("link.writable", () => void publishAll(world, [], 5));
  publishSome(world, [], 20);
  await until(() => link.info().stats.breakerOpenings >= 2, 10_000, "two openings");
  broker.setScript(() => false);
  await until(() => link.info().breaker === "CLOSED", 10_000, "CLOSED");
  const moves = facts("link.transition").flatMap(({ region, to }) => (region === "breaker" ? [to] : []));
  assert.deepEqual(moves.slice(0, 4), ["OPEN", "HALF_OPEN", "OPEN", "HALF_OPEN"]);
  assert.equal(moves.at(-1), "CLOSED");
});

test("refusals of one message do not open it, a quota does", async (t) => {
  const reasons = { code: 0x87 };
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "publish") return false;
    from.send({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: reasons.code });
    return true;
  });
  const world = await connectedLink(t, { url: broker.url });
  const outcomes: PublishOutcome[] = [];
  publishSome(world, outcomes, 100);
  await until(() => outcomes.length === 100, 5_000, "100 refusals");
  assert.deepEqual(outcomes[0], { kind: "refused", reasonCode: 0x87 });
  assert.equal(world.link.info().breaker, "CLOSED");
  reasons.code = 0x97;
  publishSome(world, outcomes, 20);
  await until(() => world.link.info().breaker === "OPEN", 5_000, "OPEN");
  assert.equal(world.link.info().stats.errorsByType["network"], 20);
  assert.equal(world.link.info().stats.errorsByType["authentication"], 100);
});

test("publishes lost by a requested disconnect do not count against the broker", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const world = await connectedLink(t, { url: broker.url });
  const outcomes: PublishOutcome[] = [];
  publishSome(world, outcomes, 100);
  await world.link.disconnect();
  assert.equal(outcomes.length, 100);
  assert.deepEqual(outcomes[0], { kind: "lost", why: "disconnected" });
  assert.equal(world.link.info().breaker, "CLOSED");
});

test("a publish that is lost by our own disconnect excuses no later end: the backoff rises", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const { link, reaches } = await connectedLink(t, { url: broker.url });
  link.publish({ topic: "a", payload: "x", qos: 1, retain: false }, () => link.excuse());
  await link.disconnect();
  await link.connect({ waitMs: 5_000 });
  broker.connections.at(-1)?.reset();
  await reaches("RECONNECTING");
  assert.equal(link.info().retryCount, 1);
});

test("an operator opens and closes it; what cannot be done is refused with the reason", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, publish } = await connectedLink(t, { url: broker.url });
  assert.match(reasonOf(link.closeBreaker()), /CLOSED/);
  assert.equal(link.openBreaker().ok, true);
  assert.deepEqual(await publish(), { kind: "unsent", why: "breaker_open" });
  assert.equal(link.info().state, "CONNECTED");
  assert.equal(link.closeBreaker().ok, true);
  assert.equal((await publish()).kind, "acked");
  assert.match(reasonOf(link.reset()), /CONNECTED/);
});

const reasonOf = (result: { ok: boolean; reason?: string }): string => result.reason ?? "";
