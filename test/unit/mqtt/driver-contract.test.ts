/**
 * The behaviours of the `mqtt` driver that its documentation does not promise and that shared/src/mqtt relies on: one test for
 * each, with the place that relies on it. When a new version of the driver fails here, that place must change first.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { driverOptions } from "@acktor/shared/mqtt/driver-options";
import { PacketIds } from "@acktor/shared/mqtt/packet-ids";
import { RoundTrip } from "@acktor/shared/mqtt/round-trip";
import type { TransportOptions } from "@acktor/shared/mqtt/transport";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { MqttClient } from "mqtt";
import { streamBuilder as openWebSocket } from "mqtt/lib/connect/ws";
import mqttPacket, { type Packet } from "mqtt-packet";
import { until } from "../../support/until.ts";

const OPTIONS: TransportOptions = {
  address: {
    protocol: "mqtt",
    host: "broker",
    port: 1883,
    path: "/",
    username: null,
    password: null,
    shown: "mqtt://broker:1883",
  },
  username: null,
  password: null,
  auth: null,
  clientId: "contract",
  protocolVersion: 5,
  keepaliveSeconds: 1,
  connectTimeoutMs: 60_000,
  publishDeadlineMs: 2_000,
  silenceMs: 2_000,
  roundTrip: new RoundTrip(),
  sendQuota: 10,
  sharedSubscriptionsOn311: false,
  will: null,
  tls: {},
  wanted: new Map(),
  clock: SYSTEM_CLOCK,
};

/** A stream without a socket; what the driver writes is parsed as MQTT packets. */
class Wire extends Duplex {
  readonly packets: Packet[] = [];
  readonly #parser = mqttPacket.parser({ protocolVersion: 5 });

  constructor() {
    super();
    this.#parser.on("packet", (packet) => this.packets.push(packet));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#parser.parse(chunk);
    done();
  }

  sent(cmd: Packet["cmd"]): Packet[] {
    return this.packets.filter((packet) => packet.cmd === cmd);
  }
}

function drive(options: Partial<TransportOptions> = {}) {
  const ids = new PacketIds();
  const built: Wire[] = [];
  const parsers: NodeJS.WritableStream[] = [];
  const client = new MqttClient(
    () => {
      const wire = new Wire();
      wire.pipe = (parser) => {
        parsers.push(parser);
        return parser;
      };
      built.push(wire);
      return wire;
    },
    driverOptions({ ...OPTIONS, ...options }, ids),
  );
  const errors: (Error & { code?: unknown })[] = [];
  client.on("error", (error) => errors.push(error));
  const [wire] = built;
  assert.ok(wire !== undefined);
  const feed = (packet: Packet): void => {
    parsers[0]?.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
  };
  const connack = (reasonCode = 0, properties: object = {}): void =>
    feed({ cmd: "connack", reasonCode, sessionPresent: false, properties });
  return { client, ids, wire, built, parsers, errors, feed, connack };
}

const reasonOf = (packet: Packet): number | undefined => ("reasonCode" in packet ? packet.reasonCode : undefined);

test("the constructor builds the stream and pipes it once, before it returns, and sends CONNECT", async () => {
  // Driver's constructor: it attaches listeners to `client.stream`; Driver.#openStream: it replaces `pipe`.
  const { client, wire, built, parsers } = drive();
  assert.equal(built.length, 1);
  assert.equal(client.stream, wire);
  assert.equal(parsers.length, 1);
  await turn();
  assert.equal(wire.sent("connect").length, 1);
  client.end(true);
});

test("the driver does not see bytes that are not written to its parser", async () => {
  // Driver.#openStream, MqttTransport.frame: the driver receives no PUBLISH and no PUBACK.
  const { client, wire } = drive();
  wire.push(mqttPacket.generate({ cmd: "connack", reasonCode: 0, sessionPresent: false }, { protocolVersion: 5 }));
  await turn();
  assert.equal(client.connected, false);
  client.end(true);
});

test("a CONNACK that is written to the parser connects in the same turn, with its properties", async () => {
  // Driver.parse, Driver.#listen (`connect`), Driver.isConnected.
  const { client, connack } = drive();
  let properties: object | undefined;
  client.on("connect", (packet) => {
    properties = packet.properties;
  });
  connack(0, { receiveMaximum: 7, serverKeepAlive: 9 });
  await turn();
  assert.deepEqual({ ...properties }, { receiveMaximum: 7, serverKeepAlive: 9 });
  assert.equal(client.connected, true);
  client.end(true);
});

test("`packetreceive` shows each packet with its reason code before the driver acts on it, refusals too", async () => {
  // Driver.#packetReceived: CONNACK, PUBREC, PUBCOMP, DISCONNECT.
  const { client, connack, errors } = drive();
  const seen: [string, number | undefined, number][] = [];
  client.on("packetreceive", (packet) => seen.push([packet.cmd, reasonOf(packet), errors.length]));
  connack(0x87);
  await turn();
  assert.deepEqual(seen, [["connack", 0x87, 0]]);
  assert.equal(errors.length, 1);
  client.end(true);
  const other = drive();
  const codes: [string, number | undefined][] = [];
  other.client.on("packetreceive", (packet) => codes.push([packet.cmd, reasonOf(packet)]));
  other.connack();
  other.feed({ cmd: "pubrec", messageId: 5, reasonCode: 0x97 });
  other.feed({ cmd: "pubcomp", messageId: 6, reasonCode: 0x92 });
  other.feed({ cmd: "disconnect", reasonCode: 0x8e });
  await turn();
  assert.deepEqual(codes, [
    ["connack", 0],
    ["pubrec", 0x97],
    ["pubcomp", 0x92],
    ["disconnect", 0x8e],
  ]);
  other.client.end(true);
});

test("PUBREC and PUBCOMP of publishes that the driver did not send raise no error and get no answer", async () => {
  // MqttTransport.pubrecReceived: the pipe answers with PUBREL.
  const { client, connack, feed, wire, errors } = drive();
  connack();
  feed({ cmd: "pubrec", messageId: 5, reasonCode: 0 });
  feed({ cmd: "pubcomp", messageId: 5, reasonCode: 0 });
  await turn();
  assert.deepEqual(errors, []);
  assert.equal(wire.sent("pubrel").length, 0);
  client.end(true);
});

test("a QoS 2 message is handled once though it arrives twice, and the driver does the handshake", async () => {
  // Driver.#listen (`handleMessage`): the only messages that pass through the driver.
  const { client, connack, feed, wire } = drive();
  const handled: string[] = [];
  client.handleMessage = (packet, done) => {
    handled.push(String(packet.payload));
    done();
  };
  connack();
  const message: Packet = { cmd: "publish", topic: "a", payload: "x", qos: 2, messageId: 3, dup: false, retain: false };
  feed(message);
  await until(() => wire.sent("pubrec").length === 1, 1_000, "PUBREC");
  feed({ ...message, dup: true });
  feed({ cmd: "pubrel", messageId: 3 });
  await until(() => wire.sent("pubcomp").length === 1, 1_000, "PUBCOMP");
  assert.deepEqual(handled, ["x"]);
  client.end(true);
});

test("SUBSCRIBE and UNSUBSCRIBE take their ids from the provider, and SUBACK frees the id", async () => {
  // PublishPipe.ids: our publishes and the driver's packets share one range.
  const { client, connack, feed, wire, ids } = drive();
  connack();
  await turn();
  const own = ids.allocate();
  client.subscribe({ a: { qos: 1 } });
  client.unsubscribe("b");
  await until(() => wire.sent("unsubscribe").length === 1, 1_000, "UNSUBSCRIBE");
  const [subscribe] = wire.sent("subscribe");
  const taken = [own, subscribe?.messageId, wire.sent("unsubscribe")[0]?.messageId];
  assert.equal(new Set(taken).size, 3);
  feed({ cmd: "suback", messageId: subscribe?.messageId ?? 0, granted: [1] });
  await turn();
  assert.equal(ids.register(subscribe?.messageId ?? 0), true);
  assert.equal(ids.register(own ?? 0), false, "the driver did not clear the provider at CONNACK");
  client.end(true);
});

test("the callback of `subscribe` has the SUBACK's codes, also where one refuses", async () => {
  // Driver.subscribe.
  for (const granted of [[1], [0x87]]) {
    const { client, connack, feed, wire } = drive();
    connack();
    const answer = new Promise<readonly unknown[]>((resolve) => {
      client.subscribe({ a: { qos: 1 } }, (_error, _granted, packet) => resolve(packet?.granted ?? []));
    });
    await until(() => wire.sent("subscribe").length === 1, 1_000, "SUBSCRIBE");
    feed({ cmd: "suback", messageId: wire.sent("subscribe")[0]?.messageId ?? 0, granted });
    assert.deepEqual(await answer, granted);
    client.end(true);
  }
});

test("an invalid filter is an error without a packet, and nothing is sent", async () => {
  // Driver.subscribe: it reports 0x8f then.
  const { client, connack, wire } = drive();
  connack();
  const packet = await new Promise((resolve) => {
    client.subscribe({ "a/#/b": { qos: 1 } }, (error, _granted, suback) => resolve(error === null ? "none" : suback));
  });
  assert.equal(packet, undefined);
  assert.equal(wire.sent("subscribe").length, 0);
  client.end(true);
});

test("`timerVariant` with timers that do nothing switches the keepalive off; `sendPing` still sends PINGREQ", async () => {
  // driverOptions (NO_TIMERS), MqttTransport.#checkDeadlines: the sweep decides about pings.
  const { client, connack, wire } = drive({ keepaliveSeconds: 1 });
  connack();
  await new Promise((resolve) => setTimeout(resolve, 1_700));
  assert.equal(wire.sent("pingreq").length, 0);
  assert.equal(client.connected, true);
  client.sendPing();
  await until(() => wire.sent("pingreq").length === 1, 1_000, "PINGREQ");
  client.end(true);
});

test("bytes that are not MQTT are an error without a text code", async () => {
  // fromError in driver.ts: `malformed`.
  const { client, parsers, errors } = drive();
  parsers[0]?.write(Buffer.from([0x00, 0x01, 0xff]));
  await turn();
  assert.equal(errors.length, 1);
  assert.notEqual(typeof errors[0]?.code, "string");
  client.end(true);
});

test("a stream's error reaches the client's listeners only with a code", async () => {
  // Driver.#listen: it listens to the stream too, for the WebSocket's errors have none.
  const { client, wire, errors } = drive();
  wire.destroy(new Error("no code"));
  await turn();
  assert.deepEqual(errors, []);
  client.end(true);
  const other = drive();
  other.wire.destroy(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
  await turn();
  assert.equal(other.errors[0]?.code, "ECONNREFUSED");
  other.client.end(true);
});

test("`end(true)` destroys the stream in the same turn, `close` follows, a second call has no effect, no stream is built again", async () => {
  // Driver.destroy, Driver.closed; DRIVER-1.
  const { client, connack, wire, built } = drive();
  connack();
  await turn();
  let closes = 0;
  client.on("close", () => closes++);
  client.end(true);
  assert.equal(wire.destroyed, true);
  client.end(true);
  await until(() => closes === 1, 1_000, "close");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(built.length, 1);
  assert.equal(client.connected, false);
});

test("before CONNACK, too, `end(true)` closes", async () => {
  // Driver.closed: `stop` waits for it.
  const { client, wire } = drive();
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  client.end(true);
  wire.destroy();
  await closed;
});

test("a SUBSCRIBE that waits at the end gets its callback with an error, and nothing is thrown", async () => {
  // MqttTransport.subackReceived ignores it after the end.
  const { client, connack } = drive();
  connack();
  await turn();
  const failed = new Promise<Error | null>((resolve) => client.subscribe({ a: { qos: 1 } }, (error) => resolve(error)));
  client.unsubscribe("b");
  client.end(true);
  assert.ok((await failed) instanceof Error);
});

test("SUBSCRIBE is sent once: the driver neither stores nor repeats it", async () => {
  // driverOptions (`resubscribe`, `clean`); DRIVER-1.
  const { client, connack, wire } = drive();
  connack();
  client.subscribe({ a: { qos: 1 } });
  await until(() => wire.sent("subscribe").length === 1, 1_000, "SUBSCRIBE");
  client.subscribe({ a: { qos: 1 } });
  await until(() => wire.sent("subscribe").length === 2, 1_000, "the second, though the filter is the same");
  client.end(true);
});

test("`mqtt/lib/connect/ws` opens a stream whose error has no code where HTTP answers", async (t) => {
  // Driver.#openStream, fromStreamError.
  const server = createServer((_request, response) => response.end("no broker"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const address = { ...OPTIONS.address, protocol: "ws" as const, host: "127.0.0.1", port };
  const toDriver = driverOptions({ ...OPTIONS, address }, new PacketIds());
  const errors: (Error & { code?: unknown })[] = [];
  const client = new MqttClient((made) => openWebSocket(made, { ...toDriver }), toDriver);
  client.on("error", () => undefined);
  client.stream.on("error", (error: Error) => errors.push(error));
  assert.equal(client.stream.writableLength >= 0, true);
  await until(() => errors.length > 0, 5_000, "the error");
  assert.equal(errors[0]?.code, undefined);
  client.end(true);
});
