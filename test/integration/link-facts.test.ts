/** What the link says and answers: facts, commands, numbers, and that it can be stopped at any time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLink } from "@acktor/shared/link/create-link";
import { startFakeBroker } from "../support/fake-broker.ts";
import { connectedLink, QUICK, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

test("a life in facts, in their order", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, heard, reaches } = await connectedLink(t, { url: broker.url, name: "n", instance: "i" });
  (await broker.connection(0)).reset();
  await broker.connection(1);
  await reaches("CONNECTED");
  assert.equal((await link.disconnect()).ok, true);
  const order = heard.flatMap(({ event, fact }) => {
    if (event === "link.writable") return [];
    return event === "link.transition" ? [`${fact.from}>${fact.to}`] : [event];
  });
  assert.deepEqual(order, [
    "DISCONNECTED>CONNECTING",
    "CONNECTING>CONNECTED",
    "link.connected",
    "link.disconnected",
    "link.error",
    "CONNECTED>RECONNECTING",
    "RECONNECTING>CONNECTING",
    "CONNECTING>CONNECTED",
    "link.connected",
    "link.reconnected",
    "link.disconnected",
    "CONNECTED>DISCONNECTED",
  ]);
  const last = heard.filter(({ event }) => event === "link.disconnected").at(-1);
  assert.deepEqual(last?.fact, { expected: true, failure: null });
});

// LINK-2
test("a listener that throws, on any fact, hurts neither the others nor the link", async (t) => {
  const broker = await startFakeBroker(t);
  const failures: string[] = [];
  const { link, publish, facts } = testLink(t, {
    url: broker.url,
    observer: { listenerFailed: (_, event) => failures.push(event) },
  });
  const broken = (): never => {
    throw new Error("broken");
  };
  for (const event of ["link.connected", "link.transition", "link.message", "link.writable"] as const) {
    link.on(event, broken);
  }
  link.subscribe({ filter: "m", qos: 0 });
  await link.connect({ waitMs: 5_000 });
  link.publish({ topic: "a", payload: "", qos: 1, retain: false }, broken);
  assert.equal((await publish()).kind, "acked");
  const message = { cmd: "publish", topic: "m", payload: "x", qos: 0, dup: false, retain: false } as const;
  (await broker.connection(0)).send(message);
  await until(() => facts("link.message").length === 1, 5_000, "the message at the others");
  assert.equal(facts("link.connected").length, 1);
  for (const event of ["link.connected", "link.transition", "link.message", "link.writable", "publish outcome"]) {
    assert.ok(failures.includes(event), event);
  }
  assert.equal(link.info().state, "CONNECTED");
});

// LINK-1
test("an outcome's listener may publish, stop listening, or disconnect", async (t) => {
  const broker = await startFakeBroker(t);
  const { link } = await connectedLink(t, { url: broker.url });
  const outcomes: string[] = [];
  await new Promise<void>((resolve) => {
    link.publish({ topic: "1", payload: "", qos: 1, retain: false }, (first) => {
      outcomes.push(first.kind);
      link.publish({ topic: "2", payload: "", qos: 1, retain: false }, (second) => {
        outcomes.push(second.kind);
        resolve();
      });
      void link.disconnect();
    });
  });
  assert.deepEqual(outcomes, ["acked", "lost"]);
  assert.equal(link.info().state, "DISCONNECTED");
});

test("numbers for people", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, publish, reaches } = testLink(t, { url: broker.url });
  const nothing = link.info();
  assert.equal(nothing.state, "DISCONNECTED");
  assert.equal(nothing.uptimeMs, null);
  assert.equal(nothing.lastActivityAt, null);
  assert.equal(nothing.limits, null);
  const began = Date.now();
  await link.connect({ waitMs: 5_000 });
  await publish();
  await publish({ qos: 0 });
  (await broker.connection(0)).reset();
  await broker.connection(1);
  await reaches("CONNECTED");
  const info = link.info();
  assert.deepEqual(info.stats, {
    connectionAttempts: 2,
    successfulConnections: 2,
    disconnections: 1,
    messagesSent: 2,
    messagesReceived: 0,
    breakerOpenings: 0,
    errorsByType: { network: 1 },
  });
  for (const time of [info.connectedAt, info.disconnectedAt, info.lastActivityAt, info.lastError?.at]) {
    assert.ok(time !== undefined && time !== null && time >= began - 5 && time <= Date.now() + 5, String(time));
  }
  assert.equal(info.retryCount, 1);
  assert.equal(info.nextAttemptAt, null);
  assert.equal(info.broker, broker.url);
});

test("commands are refused with the reason where the state does not allow them", async (t) => {
  const broker = await startFakeBroker(t);
  const { link } = testLink(t, { url: broker.url });
  const refused = async (result: unknown): Promise<string> => {
    const { ok, reason } = (await result) as { ok: boolean; reason: string };
    assert.equal(ok, false);
    return reason;
  };
  assert.match(await refused(link.disconnect()), /DISCONNECTED/);
  assert.match(await refused(link.reset()), /DISCONNECTED/);
  assert.deepEqual(await link.connect({ waitMs: 5_000 }), { ok: true });
  assert.match(await refused(link.connect()), /CONNECTED/);
  assert.deepEqual(await link.connect({ waitMs: 5_000 }), { ok: true }, "what is asked for is there");
  await link.stop();
  assert.match(await refused(link.connect()), /stopped/);
  assert.match(await refused(link.connect({ waitMs: 5_000 })), /stopped/);
  assert.match(await refused(link.reset()), /stopped/);
});

test("connect that waits ends by a disconnect, too", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "connect");
  const { link } = testLink(t, { url: broker.url });
  const waiting = link.connect({ waitMs: 60_000 });
  await broker.connection(0);
  await link.disconnect();
  assert.equal((await waiting).ok, false);
  const again = link.connect({ waitMs: 60_000 });
  await broker.connection(1);
  await link.stop();
  assert.equal((await again).ok, false);
});

test("disconnect and connect again, as often as you like", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, publish } = await connectedLink(t, { url: broker.url });
  for (let i = 1; i <= 5; i++) {
    await link.disconnect();
    await until(() => broker.open() === 0, 5_000, "no socket");
    assert.deepEqual(await publish(), { kind: "unsent", why: "not_connected" });
    assert.equal((await link.connect({ waitMs: 5_000 })).ok, true);
    assert.equal((await publish()).kind, "acked");
  }
});

// LINK-3
test("stop: before anything, twice, while connecting, while reconnecting; nothing is left and nothing throws", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "connect");
  const early = createLink({ url: broker.url });
  await early.stop();
  await early.stop();
  early.publish({ topic: "a", payload: "", qos: 1, retain: false }, (outcome) => {
    assert.deepEqual(outcome, { kind: "unsent", why: "not_connected" });
  });

  const connecting = createLink({ url: broker.url });
  await connecting.connect();
  await broker.connection(0);
  await Promise.all([connecting.stop(), connecting.stop()]);

  const reconnecting = createLink({ ...QUICK, url: broker.url, backoff: { floorMs: 60_000 } });
  broker.setScript((packet, from) => {
    if (packet.cmd === "connect") from.reset();
    return true;
  });
  await reconnecting.connect();
  await until(() => reconnecting.info().state === "RECONNECTING", 5_000, "RECONNECTING");
  await reconnecting.stop();
  await until(() => broker.open() === 0, 5_000, "no socket");
});

// LINK-3
test("a link that is stopped lets the process end: no timer, no socket", async (t) => {
  const broker = await startFakeBroker(t);
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const { link, publish } = await connectedLink(t, { url: broker.url });
  await publish();
  assert.ok(timers() > before);
  await link.stop();
  await until(() => timers() <= before && broker.open() === 0, 5_000, "no timer of ours");
});
