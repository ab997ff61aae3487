/** What goes wrong between CONNECT and the end, done on purpose by a broker that does what the test says. */
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import type { Packet } from "mqtt-packet";
import { cleanUp } from "../support/cleanup.ts";
import { type FakeConnection, type Script, startFakeBroker } from "../support/fake-broker.ts";
import { anyPort } from "../support/ports.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

/** Refuses CONNECT with a code, in the tongue of the version it was asked in. */
const refuseWith =
  (code: number): Script =>
  (packet, from) => {
    if (packet.cmd === "connect")
      from.send({ cmd: "connack", returnCode: code, reasonCode: code, sessionPresent: false });
    return packet.cmd === "connect";
  };

const REFUSALS: readonly (readonly [version: "5" | "3.1.1", code: number, state: string, type: string])[] = [
  ["5", 0x84, "ERROR", "protocol"],
  ["5", 0x85, "ERROR", "authentication"],
  ["5", 0x86, "ERROR", "authentication"],
  ["5", 0x87, "ERROR", "authentication"],
  ["5", 0x88, "RECONNECTING", "network"],
  ["5", 0x89, "RECONNECTING", "network"],
  ["5", 0x8a, "ERROR", "authentication"],
  ["5", 0x97, "RECONNECTING", "network"],
  ["3.1.1", 1, "ERROR", "protocol"],
  ["3.1.1", 2, "ERROR", "authentication"],
  ["3.1.1", 3, "RECONNECTING", "network"],
  ["3.1.1", 4, "ERROR", "authentication"],
  ["3.1.1", 5, "ERROR", "authentication"],
];

for (const [version, code, state, type] of REFUSALS) {
  test(`CONNACK ${code} on ${version}: ${state}`, async (t) => {
    const broker = await startFakeBroker(t, refuseWith(code));
    const backoff = { baseMs: 60_000, capMs: 60_000, floorMs: 60_000 };
    const { link, reaches, facts } = testLink(t, { url: broker.url, version, backoff });
    await link.connect();
    await reaches(state);
    const [failure] = facts("link.error");
    assert.equal(failure?.type, type);
    assert.equal(failure?.code, code);
    assert.equal(failure?.retryable, state !== "ERROR");
    assert.equal(link.info().stats.errorsByType[failure?.type ?? "network"], 1);
    assert.ok((link.info().nextAttemptAt ?? 0) > Date.now() + 10_000);
    await until(() => broker.open() === 0, 5_000, "the socket to be gone");
  });
}

test("in ERROR one probe at a time, and CONNECTED once the password is right", async (t) => {
  const broker = await startFakeBroker(t, refuseWith(0x86));
  const { link, reaches, states } = testLink(t, { url: broker.url, version: "5", errorWaitMs: [100, 200] });
  await link.connect();
  await until(() => broker.connections.length >= 3, 5_000, "three probes");
  assert.ok(broker.open() <= 1);
  assert.equal(states().includes("RECONNECTING"), false);
  broker.setScript(() => false);
  await reaches("CONNECTED");
});

test("a broker without MQTT 5: once again as 3.1.1 at once, and remembered", async (t) => {
  // A broker of 3.1.1 answers in 3.1.1 to every version.
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "connect" || packet.protocolVersion !== 5) return false;
    from.sendBytes(Buffer.from([0x20, 2, 0, 1]));
    from.end();
    return true;
  });
  const { link, reaches, facts } = await connectedLink(t, { url: broker.url });
  assert.equal(link.info().protocolVersion, 4);
  assert.deepEqual(facts("link.error"), []);
  (await broker.connection(1)).reset();
  await broker.connection(2);
  await reaches("CONNECTED");
  const versions = broker.connections.map(({ connect }) => connect?.protocolVersion);
  assert.deepEqual(versions, [5, 4, 4]);
});

test("closed before CONNACK on both versions: RECONNECTING, and 5 again as soon as it is spoken", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "connect") from.end();
    return packet.cmd === "connect";
  });
  const { link, reaches } = testLink(t, { url: broker.url });
  await link.connect();
  await until(() => broker.connections.length >= 4, 5_000, "two rounds");
  broker.setScript(() => false);
  await reaches("CONNECTED");
  const versions = broker.connections.slice(0, 4).map(({ connect }) => connect?.protocolVersion);
  assert.deepEqual(versions, [5, 4, 5, 4]);
});

test("no CONNACK: RECONNECTING after the connect timeout, the socket gone", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "connect");
  const { link, reaches } = testLink(t, { url: broker.url, connectTimeoutMs: 300 });
  const result = await link.connect({ waitMs: 200 });
  assert.equal(result.ok, false);
  assert.equal(link.info().state, "CONNECTING", "the attempt continues");
  await reaches("RECONNECTING");
  assert.equal(link.info().lastError?.type, "timeout");
  broker.setScript(() => false);
  await reaches("CONNECTED");
  await until(() => broker.open() === 1, 5_000, "the old sockets to be gone");
});

// SUBSCRIBER-3
test("no SUBACK: not CONNECTED, and RECONNECTING after the connect timeout", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "subscribe");
  const { link, reaches, facts } = testLink(t, { url: broker.url, connectTimeoutMs: 300 });
  link.subscribe({ filter: "a", qos: 1 });
  await link.connect();
  await (await broker.connection(0)).received("subscribe");
  await reaches("RECONNECTING");
  assert.deepEqual(facts("link.connected"), []);
  broker.setScript(() => false);
  await reaches("CONNECTED");
});

test("a SUBACK that takes its time is waited for", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "subscribe");
  const { link, reaches, facts } = testLink(t, { url: broker.url, connectTimeoutMs: 5_000, publishDeadlineMs: 100 });
  link.subscribe({ filter: "a", qos: 1 });
  const connecting = link.connect({ waitMs: 500 });
  const connection = await broker.connection(0);
  const [subscribe] = await connection.received("subscribe");
  // Half a second: several looks at the deadlines.
  assert.equal((await connecting).ok, false);
  connection.send({ cmd: "suback", messageId: subscribe?.messageId ?? 0, granted: [1] });
  await reaches("CONNECTED");
  assert.deepEqual(facts("link.error"), []);
});

test("no SUBACK for a subscription of a live connection: it ends, and all are asked for again", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches } = await connectedLink(t, { url: broker.url, connectTimeoutMs: 300 });
  broker.setScript((packet) => packet.cmd === "subscribe");
  link.subscribe({ filter: "late", qos: 1 });
  await reaches("RECONNECTING");
  assert.match(link.info().lastError?.reason ?? "", /SUBACK/);
  broker.setScript(() => false);
  await reaches("CONNECTED");
});

for (const [what, granted] of [
  ["5", 0x87],
  ["3.1.1", 0x80],
] as const) {
  test(`a subscription refused on ${what}: ERROR, which names the filter`, async (t) => {
    const broker = await startFakeBroker(t, (packet, from) => {
      if (packet.cmd !== "subscribe") return false;
      from.send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: [0, granted] });
      return true;
    });
    const { link, reaches } = testLink(t, { url: broker.url, version: what });
    link.subscribe({ filter: "allowed", qos: 0 });
    link.subscribe({ filter: "secret/#", qos: 1 });
    await link.connect();
    await reaches("ERROR");
    assert.match(link.info().lastError?.reason ?? "", /secret\/#/);
    assert.equal(link.info().lastError?.code, granted);
  });
}

test("an invalid filter: ERROR, not silence", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches } = testLink(t, { url: broker.url });
  link.subscribe({ filter: "a/#/b", qos: 1 });
  await link.connect();
  await reaches("ERROR");
  assert.match(link.info().lastError?.reason ?? "", /a\/#\/b/);
});

test("unsubscribed filters are not asked for again; the same one twice is asked for once", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, reaches } = await connectedLink(t, { url: broker.url });
  link.subscribe({ filter: "a", qos: 1 });
  link.subscribe({ filter: "a", qos: 1 });
  link.subscribe({ filter: "b", qos: 1 });
  link.unsubscribe("a");
  link.unsubscribe("never");
  const first = await broker.connection(0);
  await first.received("unsubscribe");
  assert.equal((await first.received("subscribe")).length, 2);
  first.reset();
  const second = await broker.connection(1);
  await reaches("CONNECTED");
  const [subscribe] = await second.received("subscribe");
  assert.ok(subscribe?.cmd === "subscribe");
  assert.deepEqual(
    subscribe.subscriptions.map(({ topic }) => topic),
    ["b"],
  );
});

test("a broker that goes silent while a PUBLISH waits is dead after the silence, and all of them are lost with it", async (t) => {
  const broker = await startFakeBroker(t);
  const { publish, reaches, link, facts } = await connectedLink(t, { url: broker.url, publishDeadlineMs: 400 });
  (await broker.connection(0)).freeze();
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => publish()));
  const cause = { kind: "deadline", of: "silence", afterMs: 400 };
  for (const outcome of outcomes) assert.deepEqual(outcome, { kind: "lost", why: "disconnected", cause });
  assert.equal(facts("link.disconnected")[0]?.expected, false);
  assert.match(link.info().lastError?.reason ?? "", /nothing came/);
  await reaches("CONNECTED");
});

test("a connection on which pings are answered and no PUBLISH is, is given up after two deadlines", async (t) => {
  const broker = await startFakeBroker(t, (packet) => packet.cmd === "publish");
  const options = { url: broker.url, publishDeadlineMs: 200, silenceMs: 60_000, sendQuota: 20 };
  const { link, publish, reaches } = await connectedLink(t, { ...options, breaker: { minCalls: 1_000 } });
  for (let i = 0; i < 3; i++) assert.deepEqual(await publish(), { kind: "lost", why: "deadline" });
  await until(() => broker.connections.length === 2, 5_000, "another connection");
  await reaches("CONNECTED");
  assert.equal(link.capacity(), 20);
});

// DRIVER-2
test("nonsense bytes end the connection, as a protocol error that is tried again", async (t) => {
  for (const bytes of [
    [0xff, 0xff, 0xff, 0xff, 0xff],
    [0x00, 0x00],
    [0x20, 0x03, 0xff, 0x00, 0x00],
    [0x36, 0x02, 0, 0],
  ]) {
    const broker = await startFakeBroker(t);
    const { link, reaches } = await connectedLink(t, { url: broker.url });
    (await broker.connection(0)).sendBytes(Buffer.from(bytes));
    await until(() => link.info().stats.disconnections === 1, 5_000, `the end by ${bytes}`);
    assert.equal(link.info().lastError?.type, "protocol");
    await reaches("CONNECTED");
  }
});

test("answers to nothing change nothing", async (t) => {
  const broker = await startFakeBroker(t);
  const { link, publish } = await connectedLink(t, { url: broker.url });
  const connection = await broker.connection(0);
  for (const cmd of ["puback", "pubrec", "pubcomp"] as const) connection.send({ cmd, messageId: 4_711, reasonCode: 0 });
  assert.equal((await publish()).kind, "acked");
  assert.equal(link.info().state, "CONNECTED");
  assert.equal(link.info().inFlight, 0);
});

const ENDS: Readonly<Record<string, (connection: FakeConnection) => void>> = {
  "a FIN": (connection) => connection.end(),
  "a RST": (connection) => connection.reset(),
  "DISCONNECT 0x8b": (connection) => connection.send({ cmd: "disconnect", reasonCode: 0x8b } as Packet),
};

for (const [what, end] of Object.entries(ENDS)) {
  test(`${what} is followed by another connection`, async (t) => {
    const broker = await startFakeBroker(t);
    const { reaches, states } = await connectedLink(t, { url: broker.url });
    end(await broker.connection(0));
    await broker.connection(1);
    await reaches("CONNECTED");
    assert.deepEqual(states(), ["CONNECTING", "CONNECTED", "RECONNECTING", "CONNECTING", "CONNECTED"]);
  });
}

test("no server listens there: five refusals open the breaker, and the attempts continue", async (t) => {
  const url = `mqtt://127.0.0.1:${await anyPort()}`;
  const { link, facts } = testLink(t, { url });
  await link.connect();
  await until(() => link.info().stats.breakerOpenings >= 2, 10_000, "the breaker to open twice");
  assert.equal(facts("link.error")[0]?.code, "ECONNREFUSED");
  assert.equal((await link.disconnect()).ok, true);
  assert.equal(link.info().state, "DISCONNECTED");
});

test("another server listens there: the link only keeps attempting", async (t) => {
  const server = net.createServer((socket) => {
    socket.on("error", () => socket.destroy());
    // A socket that is not read never sees that the other side is gone.
    socket.resume();
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as net.AddressInfo;
  for (const protocol of ["mqtt", "ws", "mqtts", "wss"]) {
    const { link, facts } = testLink(t, { url: `${protocol}://127.0.0.1:${port}` });
    await link.connect();
    await until(() => facts("link.error").length >= 2, 10_000, `two failures by ${protocol}`);
    assert.equal(link.info().stats.successfulConnections, 0);
    await link.stop();
  }
});

test("unusable TLS options are a failure like others, not the end of the process", async (t) => {
  const tls = { cert: "no certificate", key: "no key" };
  const { link, facts, reaches } = testLink(t, { url: `mqtts://127.0.0.1:${await anyPort()}`, tls });
  await link.connect();
  await until(() => facts("link.error").length >= 2, 10_000, "two failures");
  assert.equal(facts("link.error")[0]?.type, "application");
  await link.disconnect();
  await reaches("DISCONNECTED");
});
