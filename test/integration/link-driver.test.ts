/**
 * Default behaviour of the driver that acktor prevents: one test for each trap, against a scripted broker. The test's name
 * begins with the driver's behaviour.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishOutcome } from "@acktor/shared/link/link";
import type { IPublishPacket, Packet } from "mqtt-packet";
import { startFakeBroker } from "../support/fake-broker.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

// DRIVER-1
test("reconnects after a fixed second on its own: here one attempt at a time, when the machine decides", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "connect") from.reset();
    return packet.cmd === "connect";
  });
  const { link, facts } = testLink(t, { url: broker.url, version: "5", breaker: { connectFailures: 1_000 } });
  await link.connect();
  await until(() => broker.connections.length >= 30, 10_000, "30 attempts");
  const { connectionAttempts } = link.info().stats;
  assert.ok(Math.abs(connectionAttempts - broker.connections.length) <= 1, "a client object for each, and no other");
  const moves = facts("link.transition").filter(({ to }) => to === "CONNECTING").length;
  assert.ok(Math.abs(moves - connectionAttempts) <= 1);
  assert.ok(broker.open() <= 1);
});

// DRIVER-1, TRANSPORT-2
test("replays its store after a reconnect, one by one: here nothing is replayed, and new ones are sent immediately", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const { link, publish, reaches } = await connectedLink(t, { url: broker.url });
  const first = await broker.connection(0);
  const lost = [publish({ payload: "1" }), publish({ payload: "2", qos: 2 })];
  await first.received("publish", 2);
  broker.setScript(() => false);
  first.reset();
  for (const outcome of await Promise.all(lost)) assertDisconnected(outcome);
  const second = await broker.connection(1);
  await reaches("CONNECTED");
  assert.deepEqual(await publish({ payload: "3" }), { kind: "acked", reasonCode: 0 });
  const payloads = (await second.received("publish")).map((packet) => String((packet as IPublishPacket).payload));
  assert.deepEqual(payloads, ["3"]);
  assert.equal(second.connect?.clean, true);
  assert.equal(link.info().inFlight, 0);
});

test("never calls back without a PUBACK: here a deadline ends the publish, and the connection stays", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish" && String(packet.payload) === "hold");
  const { link, publish } = await connectedLink(t, { url: broker.url, publishDeadlineMs: 300, silenceMs: 10_000 });
  const began = performance.now();
  assert.deepEqual(await publish({ payload: "hold" }), { kind: "lost", why: "deadline" });
  assert.ok(performance.now() - began >= 300);
  assert.deepEqual(await publish(), { kind: "acked", reasonCode: 0 });
  assert.equal(broker.connections.length, 1);
  assert.equal(link.info().inFlight, 1, "its packet id stays taken");
});

test("reports a PINGRESP that was not asked for: here it is no sample, and the deadlines stay numbers", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "connect") queueMicrotask(() => from.send({ cmd: "pingresp" }));
    return false;
  });
  const { link, publish } = await connectedLink(t, { url: broker.url });
  for (let n = 0; n < 3; n++) assert.equal((await publish()).kind, "acked");
  assert.equal(link.pace().deadlineMs, 2_000);
  assert.ok(link.pace().expectedMs < 2_000);
});

test("ignores Receive Maximum: here it is the window", async (t) => {
  const held: number[] = [];
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "publish") held.push(packet.messageId ?? 0);
    if (packet.cmd !== "connect") return packet.cmd === "publish";
    from.send({ cmd: "connack", reasonCode: 0, sessionPresent: false, properties: { receiveMaximum: 3 } });
    return true;
  });
  const { link, publish, facts } = await connectedLink(t, { url: broker.url });
  assert.equal(link.info().limits?.receiveMaximum, 3);
  assert.equal(link.capacity(), 3);
  const outcomes = [publish(), publish(), publish()];
  assert.equal(link.capacity(), 0);
  assert.deepEqual(await publish(), { kind: "unsent", why: "window_full" });
  const connection = await broker.connection(0);
  await connection.received("publish", 3);
  const writable = facts("link.writable").length;
  connection.send({ cmd: "puback", messageId: held[1] ?? 0, reasonCode: 0 });
  await until(() => facts("link.writable").length > writable, 5_000, "link.writable");
  assert.equal(link.capacity(), 1);
  for (const messageId of [held[0], held[2]])
    connection.send({ cmd: "puback", messageId: messageId ?? 0, reasonCode: 0 });
  await Promise.all(outcomes);
});

test("ignores what CONNACK limits: here nothing is sent for which the broker would close the connection", async (t) => {
  const properties = {
    maximumPacketSize: 200,
    maximumQoS: 1,
    retainAvailable: false,
    sharedSubscriptionAvailable: false,
  };
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "connect") return false;
    from.send({ cmd: "connack", reasonCode: 0, sessionPresent: false, properties });
    return true;
  });
  const { link, publish } = await connectedLink(t, { url: broker.url });
  assert.deepEqual(await publish({ payload: "x".repeat(300) }), { kind: "unsent", why: "too_large" });
  assert.deepEqual(await publish({ qos: 2 }), { kind: "unsent", why: "qos_unsupported" });
  assert.deepEqual(await publish({ retain: true }), { kind: "unsent", why: "retain_unsupported" });
  assert.equal(link.info().limits?.sharedSubscriptions, false);
  assert.equal((await broker.connection(0)).packets.length, 0);
});

test("hides 'no subscribers': here the outcome contains it", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "publish") from.send({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0x10 });
    return packet.cmd === "publish";
  });
  const { publish } = await connectedLink(t, { url: broker.url });
  assert.deepEqual(await publish(), { kind: "acked", reasonCode: 0x10 });
});

test("reuses packet ids in flight: here no id is used twice at a time, and DUP is never set", async (t) => {
  const TOTAL = 70_000;
  const out = new Set<number>();
  const faults: string[] = [];
  let held = 0;
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "publish") return false;
    const id = packet.messageId ?? 0;
    if (out.has(id)) faults.push(`${id} is out already`);
    if (packet.dup) faults.push(`${id} has DUP`);
    if (held++ < 5) out.add(id);
    else from.send({ cmd: "puback", messageId: id, reasonCode: 0 });
    return true;
  });
  const { link } = await connectedLink(t, { url: broker.url, publishDeadlineMs: 60_000, keepaliveSeconds: 60 });
  const outcomes = new Map<string, number>();
  let sent = 0;
  const pump = (): void => {
    for (; sent < TOTAL && link.capacity() > 0; sent++) {
      link.publish({ topic: "a", payload: "x", qos: 1, retain: false }, ({ kind }) => {
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
      });
    }
  };
  link.on("link.writable", pump);
  pump();
  await until(() => outcomes.get("acked") === TOTAL - 5, 30_000, "all but the five that are held");
  assert.deepEqual(faults, []);
  assert.equal(link.info().inFlight, 5);
});

// TRANSPORT-4
test("waits forever in end(): here stop ends, though the broker reads and closes nothing", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish" || packet.cmd === "disconnect");
  const { link, publish } = await connectedLink(t, { url: broker.url });
  const connection = await broker.connection(0);
  const outcome = publish();
  await connection.received("publish");
  await link.stop();
  assertDisconnected(await outcome);
  await connection.received("disconnect");
  await until(() => broker.open() === 0, 5_000, "the socket to be gone");
});

// TRANSPORT-4
test("waits forever for the other side's FIN: here stop ends, and no socket stays open", async (t) => {
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  const broker = await startFakeBroker(t);
  const { link } = await connectedLink(t, { url: broker.url });
  const connected = sockets();
  // The broker sees no FIN, so it sends none.
  (await broker.connection(0)).freeze();
  await link.stop();
  assert.equal(sockets(), connected - 1);
});

test("sends any topic, and the broker disconnects: here only this message fails, and the link reconnects", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "publish" && packet.topic.includes("#")) from.end();
    return packet.cmd === "publish" && packet.topic.includes("#");
  });
  const { publish, reaches } = await connectedLink(t, { url: broker.url });
  assertDisconnected(await publish({ topic: "a/#" }));
  await broker.connection(1);
  await reaches("CONNECTED");
  assert.deepEqual(await publish({ topic: "a" }), { kind: "acked", reasonCode: 0 });
});

// TRANSPORT-1
test("trusts a session that the broker lost: here the link subscribes on every connection before it is CONNECTED", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches, facts } = await connectedLink(t, { url: broker.url, name: "acker", instance: "i1" });
  link.subscribe({ filter: "a/#", qos: 1 });
  const first = await broker.connection(0);
  await first.received("subscribe");
  let suback: () => void = () => undefined;
  broker.setScript((packet, from) => {
    if (packet.cmd !== "subscribe") return false;
    const { messageId = 0, subscriptions } = packet;
    suback = () => from.send({ cmd: "suback", messageId, granted: subscriptions.map(() => 1) });
    return true;
  });
  first.reset();
  const second = await broker.connection(1);
  const [subscribe] = await second.received("subscribe");
  assert.ok(subscribe?.cmd === "subscribe");
  assert.deepEqual(
    subscribe.subscriptions.map(({ topic, qos }) => [topic, qos]),
    [["a/#", 1]],
  );
  assert.equal(link.info().state, "CONNECTING");
  assert.equal(link.capacity(), 0);
  suback();
  await reaches("CONNECTED");
  assert.equal(facts("link.reconnected").length, 1);
  assert.match(second.connect?.clientId ?? "", /^acker-i1-[0-9a-f]{8}$/);
});

test("fights over a client id without end: here a take-over leads to ERROR", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches } = await connectedLink(t, { url: broker.url });
  (await broker.connection(0)).send({ cmd: "disconnect", reasonCode: 0x8e });
  await reaches("ERROR");
  assert.equal(link.info().lastError?.code, 0x8e);
  assert.equal(link.info().lastError?.retryable, false);
  assert.equal(broker.connections.length, 1);
  assert.deepEqual(link.reset(), { ok: true });
  await reaches("CONNECTED");
});

// TRANSPORT-3
test("stalls its parser while a message is handled: here 200 PUBACKs and a PINGRESP arrive while no message is finished", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, publish } = await connectedLink(t, { url: broker.url });
  link.subscribe({ filter: "m", qos: 1 });
  const connection = await broker.connection(0);
  await connection.received("subscribe");
  const unfinished: Promise<never>[] = [];
  link.on("link.message", () => unfinished.push(new Promise(() => undefined)));
  for (let messageId = 1; messageId <= 200; messageId++) {
    const message: Packet = { cmd: "publish", topic: "m", payload: "x", qos: 1, messageId, dup: false, retain: false };
    connection.send(message);
  }
  const answered: PublishOutcome = await publish();
  assert.equal(answered.kind, "acked");
  await connection.received("puback", 200);
  assert.equal(unfinished.length, 200);
});

test("sees a dead idle link after 90 s: here after one and a half of the keepalive", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches } = await connectedLink(t, { url: broker.url, keepaliveSeconds: 1 });
  const first = await broker.connection(0);
  await first.received("pingreq");
  assert.equal(link.info().state, "CONNECTED", "answered pings keep it alive");
  broker.setScript((packet, from) => packet.cmd === "pingreq" && from === first);
  await reaches("RECONNECTING", 5_000);
  assert.equal(link.info().lastError?.type, "timeout");
  await reaches("CONNECTED");
  const other = await connectedLink(t, { url: broker.url });
  assert.equal((await broker.connection(broker.connections.length - 1)).connect?.keepalive, 5);
  await other.link.stop();
});

function assertDisconnected(outcome: PublishOutcome): void {
  assert.ok(outcome.kind === "lost" && outcome.why === "disconnected");
}
