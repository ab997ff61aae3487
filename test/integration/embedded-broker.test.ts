/** The embedded broker: delivers, is taken away with its clients, and comes back on the same port. */
import assert from "node:assert/strict";
import net from "node:net";
import test, { type TestContext } from "node:test";
import { type EmbeddedBroker, startBroker } from "@acktor/embedded/broker";
import { SILENT } from "@acktor/embedded/progress";
import mqtt, { type MqttClient } from "mqtt";
import { until } from "../support/until.ts";

async function brokerOn(t: TestContext, port: number): Promise<EmbeddedBroker> {
  const started = await startBroker({ port, narrator: { say: (line) => t.diagnostic(line) } });
  assert.ok(started.ok);
  t.after(() => started.value.stop());
  return started.value;
}

async function clientOf(t: TestContext, broker: EmbeddedBroker): Promise<MqttClient> {
  const client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  t.after(() => client.endAsync(true));
  return client;
}

test("BROKER-1: delivers between clients and counts, on loopback", async (t) => {
  const broker = await brokerOn(t, 0);
  const [sender, receiver] = [await clientOf(t, broker), await clientOf(t, broker)];
  await receiver.subscribeAsync("a/#", { qos: 1 });
  const got = new Promise<string>((resolve) => receiver.once("message", (_topic, payload) => resolve(String(payload))));
  await sender.publishAsync("a/b", "hello", { qos: 1 });
  assert.equal(await got, "hello");
  // The broker delivers before it counts.
  await until(() => broker.stats().published > 0, 2_000, "the count");
  assert.deepEqual(broker.stats(), { clients: 2, connections: 2, published: 1 });
  // BROKER-1: another loopback address does not reach it.
  const other = net.connect(broker.port, "127.0.0.2");
  const reached = await new Promise<boolean>((resolve) => {
    other.once("connect", () => resolve(true));
    other.once("error", () => resolve(false));
  });
  other.destroy();
  assert.equal(reached, false);
});

test("BROKER-2: stop closes every client, may be called twice, and the port serves again", async (t) => {
  const broker = await brokerOn(t, 0);
  const client = await clientOf(t, broker);
  const silent = net.connect(broker.port, "127.0.0.1");
  t.after(() => silent.destroy());
  await until(() => broker.stats().connections === 2, 2_000, "both connections");
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  await Promise.all([broker.stop(), broker.stop()]);
  await closed;
  const again = await brokerOn(t, broker.port);
  assert.equal(again.port, broker.port);
  const anew = await clientOf(t, again);
  await anew.publishAsync("a/b", "hello", { qos: 1 });
});

test("a port that was asked for and is taken is a failure with its fix", async (t) => {
  const broker = await brokerOn(t, 0);
  const second = await startBroker({ port: broker.port, narrator: SILENT });
  assert.ok(!second.ok);
  assert.equal(second.failure.kind, "port-taken");
  assert.match(second.failure.message, new RegExp(String(broker.port)));
  assert.match(second.failure.fix, /MQTT_URL/);
});
