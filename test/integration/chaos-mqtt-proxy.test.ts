/** The fault proxy for MQTT: single packets lost, doubled, swapped, altered, delayed; clients refused; each counted. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { MqttProxy } from "@acktor/chaos/proxy/mqtt-proxy";
import { makePacketRule, type PacketFault } from "@acktor/chaos/proxy/packet-rules";
import { seededRandom } from "@acktor/chaos/seeded-random";
import mqtt from "mqtt";
import { testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testMqttProxy } from "../support/proxies.ts";
import { until } from "../support/until.ts";

interface Rig {
  readonly proxy: MqttProxy;
  readonly client: mqtt.MqttClient;
  /** What came back, in order. */
  readonly heard: string[];
  send(text: string, qos?: 0 | 1): Promise<unknown>;
  break(...faults: PacketFault[]): void;
}

/** A client that hears what it publishes itself, through the proxy. */
async function rig(t: TestContext): Promise<Rig> {
  const broker = await testBroker(t);
  const proxy = await testMqttProxy(t, broker.port);
  const options = { protocolVersion: 4, reconnectPeriod: 0, clientId: "lab" } as const;
  const client = await mqtt.connectAsync(proxy.url, options);
  cleanUp(t, () => client.endAsync(true));
  const heard: string[] = [];
  client.on("message", (_topic, payload) => heard.push(payload.toString("utf8")));
  client.on("error", () => undefined);
  await client.subscribeAsync("lab/#", { qos: 1 });
  return {
    proxy,
    client,
    heard,
    send: (text, qos = 1) => client.publishAsync("lab/a", text, { qos }),
    break: (...faults) => proxy.setRule(makePacketRule(faults, seededRandom(7))),
  };
}

test("the second PUBACK is withheld, and no other", async (t) => {
  const { proxy, client, heard, send, ...lab } = await rig(t);
  lab.break({ packet: "puback", direction: "to_client", nth: 2, fate: "drop" });
  const done: number[] = [];
  for (const n of [1, 2, 3])
    void send(`${n}`).then(
      () => done.push(n),
      () => undefined,
    );
  await until(() => heard.length === 3 && done.length === 2, 3_000, "two of three PUBACKs");
  assert.deepEqual(done, [1, 3]);
  assert.equal(proxy.counts.dropped, 1);
  client.end(true);
});

test("MQTT_PROXY-2, MQTT_PROXY-3: messages are lost with a PUBACK, doubled, and altered by one bit", async (t) => {
  const { proxy, heard, send, ...lab } = await rig(t);
  lab.break({ packet: "publish", direction: "to_server", nth: 1, fate: "lose" });
  await send("lost");
  assert.equal(proxy.counts.lost, 1);
  lab.break({ packet: "publish", direction: "to_client", topic: "lab/a", fate: "double" });
  await send("twice");
  await until(() => heard.length === 2, 3_000, "both");
  lab.break({ packet: "publish", direction: "to_server", topicUnder: "lab", fate: "corrupt" });
  await send("abc");
  await until(() => heard.length === 3, 3_000, "the altered one");
  assert.deepEqual(heard, ["twice", "twice", "acc"]);
  assert.deepEqual([proxy.counts.doubled, proxy.counts.altered], [1, 1]);
});

test("packets are swapped, delayed, and the last one is not kept forever", async (t) => {
  const { proxy, heard, send, ...lab } = await rig(t);
  lab.break({ packet: "publish", direction: "to_server", nth: 1, fate: "swap" });
  await Promise.all([send("1", 0), send("2", 0)]);
  await until(() => heard.length === 2, 3_000, "both");
  lab.break({ packet: "publish", direction: "to_server", nth: 1, fate: { delayMs: 100 } });
  await Promise.all([send("3", 0), send("4", 0)]);
  await until(() => heard.length === 4, 3_000, "both");
  assert.deepEqual(heard, ["2", "1", "4", "3"]);
  lab.break({ packet: "publish", direction: "to_server", fate: "swap" });
  await send("5", 0);
  await until(() => heard.length === 5, 3_000, "the last one");
  assert.deepEqual([proxy.counts.swapped, proxy.counts.delayed], [2, 1]);
});

test("a share of packets: the same seed takes the same ones", async () => {
  const taken = (seed: number): number[] => {
    const rule = makePacketRule([{ packet: "publish", ratio: 0.1, fate: "double" }], seededRandom(seed));
    const packet = { packet: "publish", direction: "to_client", topic: "a", payload: Buffer.alloc(0) } as const;
    return Array.from({ length: 1_000 }, (_, n) => n).filter(() => rule(packet) === "double");
  };
  assert.deepEqual(taken(3), taken(3));
  assert.notDeepEqual(taken(3), taken(4));
  assert.ok(taken(3).length > 60 && taken(3).length < 140, `${taken(3).length} of 1,000`);
});

test("clients are refused by code, in the words of their version", async (t) => {
  const { proxy } = await rig(t);
  proxy.refuseConnects(0x86);
  for (const [protocolVersion, code] of [
    [4, 4],
    [5, 0x86],
  ] as const) {
    const attempt = mqtt.connectAsync(proxy.url, { protocolVersion, reconnectPeriod: 0 });
    await assert.rejects(attempt, (error: { code?: number }) => error.code === code);
  }
  assert.equal(proxy.counts.refused, 2);
  assert.ok(proxy.clientIds().includes("lab"));
});

test("a session is forgotten", async (t) => {
  const { proxy, client } = await rig(t);
  await client.endAsync();
  proxy.forgetSessions(true);
  const options = { protocolVersion: 4, reconnectPeriod: 0, clientId: "kept", clean: false } as const;
  const first = await mqtt.connectAsync(proxy.url, options);
  await first.subscribeAsync("lab/#", { qos: 1 });
  await first.endAsync();
  const second = mqtt.connect(proxy.url, options);
  cleanUp(t, () => second.endAsync(true));
  const present = await new Promise<boolean>((resolve) => second.once("connect", (c) => resolve(c.sessionPresent)));
  assert.equal(present, false);
  assert.equal(proxy.counts.sessionsForgotten, 2);
});
