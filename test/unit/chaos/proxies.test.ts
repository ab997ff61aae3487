/** The fault proxies: lanes keep order and limits, frames keep their bytes, a line without a fault changes nothing. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { CLEAR_LINE, Lane, type LineQuality } from "@acktor/chaos/proxy/lane";
import { MqttConnection } from "@acktor/chaos/proxy/mqtt-connection";
import { FrameReader, writeFrame } from "@acktor/chaos/proxy/mqtt-frames";
import type { MqttRules, PacketRule } from "@acktor/chaos/proxy/mqtt-proxy";
import { startTcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { runLineFaults } from "@acktor/chaos/run/run-line-faults";
import { findScenario } from "@acktor/chaos/scenarios/catalog";
import { seededRandom } from "@acktor/chaos/seeded-random";
import fc from "fast-check";
import { cleanUp } from "../../support/cleanup.ts";
import { until } from "../../support/until.ts";

/** A socket as a lane uses it. */
class FakeSocket extends EventEmitter {
  readonly writableLength = 0;
  readonly written: string[] = [];
  paused = false;

  write(bytes: Buffer): void {
    this.written.push(bytes.toString());
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  isPaused(): boolean {
    return this.paused;
  }
}

function lane(quality: Partial<LineQuality> = {}) {
  const [from, to] = [new FakeSocket(), new FakeSocket()];
  const counts = { delayedChunks: 0, throttledChunks: 0, lostChunks: 0, heldChunks: 0 };
  const options = { counts, random: seededRandom(3), quality: () => ({ ...CLEAR_LINE, ...quality }) };
  const sockets = { from: from as unknown as net.Socket, to: to as unknown as net.Socket };
  return { from, to, counts, lane: new Lane({ ...options, ...sockets }) };
}

test("LANE-1: chunks with different delays arrive in order, and all of them", async () => {
  const { to, lane: jittery } = lane({ jitterMs: 30 });
  const sent = Array.from({ length: 50 }, (_, n) => `${n}`);
  for (const text of sent) jittery.push(Buffer.from(text));
  await until(() => to.written.length === sent.length, 3_000, "every chunk");
  assert.deepEqual(to.written, sent);
});

test("LANE-2: a lane with more than 1 MiB does not read from its sender, until the queue is short again", () => {
  const { from, lane: held } = lane();
  held.hold(true);
  held.push(Buffer.alloc(1_048_576));
  assert.equal(from.paused, false);
  held.push(Buffer.alloc(1));
  assert.equal(from.paused, true);
  held.hold(false);
  assert.equal(from.paused, false);
});

test("LANE-3: a held lane forwards nothing until it is released, a severed lane nothing at all", () => {
  const { to, counts, lane: tried } = lane();
  tried.hold(true);
  tried.push(Buffer.from("a"));
  assert.deepEqual(to.written, []);
  tried.hold(false);
  assert.deepEqual(to.written, ["a"]);
  tried.sever();
  tried.push(Buffer.from("b"));
  tried.hold(false);
  assert.deepEqual(to.written, ["a"]);
  assert.equal(counts.heldChunks, 2);
});

test("FRAMES-1: in any chunks, the frames have the bytes of the stream", () => {
  const publish = (text: string) =>
    writeFrame({ cmd: "publish", topic: "a", payload: text, qos: 0, dup: false, retain: false }, 4);
  const texts = fc.array(fc.string({ maxLength: 300 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 40 }), (contents, size) => {
      const frames = contents.map(publish);
      const stream = Buffer.concat(frames);
      const reader = new FrameReader();
      const read: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size)
        read.push(...(reader.read(stream.subarray(at, at + size)) ?? []));
      assert.deepEqual(read, frames);
    }),
  );
  assert.equal(new FrameReader().read(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff])), null);
});

test("MQTT_PROXY-1: without a rule, and with a rule that changes nothing, frames pass byte for byte", () => {
  // Its length has one byte more than necessary, so a frame that is written again differs.
  const publish = Buffer.from([0x31, 0x86, 0x00, 0x00, 0x01, 0x61, 0x62, 0x63, 0x64]);
  const stream = Buffer.concat([publish, writeFrame({ cmd: "pingreq" }, 4)]);
  const pass: PacketRule = () => "pass";
  for (const rule of [null, pass]) {
    const sent: Buffer[] = [];
    const counts = { passed: 0 } as MqttRules["counts"];
    const rules = {
      rule,
      holdingPubacks: false,
      forgetting: false,
      refusal: null,
      counts,
      clientIds: new Set<string>(),
    };
    const flow = { send: (_direction: string, bytes: Buffer) => sent.push(bytes), end: () => assert.fail("ended") };
    new MqttConnection(flow, rules, () => undefined).onData("to_server", stream);
    assert.deepEqual(Buffer.concat(sent), stream);
  }
});

/** A proxy in front of a server that sends back what it receives. */
async function echoProxy(t: TestContext) {
  const server = net.createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(t, () => server.close());
  const { port } = server.address() as net.AddressInfo;
  const proxy = await startTcpProxy({ target: port });
  cleanUp(t, () => proxy.stop());
  return proxy;
}

async function connectTo(t: TestContext, port: number) {
  const socket = net.connect({ host: "127.0.0.1", port }).on("error", () => undefined);
  cleanUp(t, () => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await once(socket, "connect");
  return { socket, heard: () => Buffer.concat(chunks) };
}

test("TCP_PROXY-1, TCP_PROXY-2: without a fault the bytes are the same and nothing is counted", async (t) => {
  const proxy = await echoProxy(t);
  const { socket, heard } = await connectTo(t, proxy.port);
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31) % 251));
  socket.write(sent);
  await until(() => heard().length === sent.length, 5_000, "the echo");
  assert.deepEqual(heard(), sent);
  const { connections, ...faults } = proxy.counts;
  assert.equal(connections, 1);
  assert.deepEqual([...new Set(Object.values(faults))], [0]);
});

test("TCP_PROXY-2: a cut counts the connections that it ends and refuses", async (t) => {
  const proxy = await echoProxy(t);
  proxy.cut("refuse");
  proxy.heal();
  assert.equal(proxy.counts.cutConnections, 0);
  const { socket } = await connectTo(t, proxy.port);
  await until(() => proxy.open() === 1, 3_000, "the connection");
  proxy.cut("refuse");
  await once(socket, "close");
  const refused = await connectTo(t, proxy.port);
  await once(refused.socket, "close");
  assert.equal(proxy.counts.cutConnections, 2);
});

test("TCP_PROXY-3: a stop ends every connection and frees the port; a second stop has no effect", async (t) => {
  const proxy = await echoProxy(t);
  const { socket } = await connectTo(t, proxy.port);
  await until(() => proxy.open() === 1, 3_000, "the connection");
  await Promise.all([once(socket, "close"), proxy.stop()]);
  const server = net.createServer().listen(proxy.port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  await proxy.stop();
});

test("LINE_FAULTS-1: a run that is aborted during its fault heals the line", async (t) => {
  const proxy = await echoProxy(t);
  const cut = findScenario("cut");
  assert.ok(cut);
  const abort = new AbortController();
  const now = { ...cut, shiftMs: 0, faults: cut.faults.map((fault) => ({ ...fault, atMs: 0 })) };
  const { socket, heard } = await connectTo(t, proxy.port);
  await until(() => proxy.open() === 1, 3_000, "the connection");
  const done = runLineFaults({ ...proxy, tcp: proxy.counts }, now, 1, abort.signal);
  await until(() => proxy.counts.cutConnections === 1, 3_000, "the cut");
  socket.write("a");
  await until(() => proxy.counts.heldChunks === 1, 3_000, "the held chunk");
  abort.abort();
  assert.ok((await done) > 0);
  await until(() => heard().toString() === "a", 3_000, "the healed line");
});
