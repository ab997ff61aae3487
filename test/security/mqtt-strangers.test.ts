/** Strangers on the broker who may publish on data topics: bombs, pollution, arbitrary ack topics, floods of births. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { plainClient, sql, testAcker, testBroker, testPool } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

function envelope(over: object = {}): object {
  const message_id = randomUUID();
  return {
    message_id,
    content: "x",
    timestamp: 1,
    requires_ack: true,
    ack_topic: `delivery/ack/${message_id}`,
    ...over,
  };
}

test("bombs, pollution and foreign ack topics in envelopes: counted, no effect, and the next message is processed", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const acker = await testAcker(t, { DATABASE_URL: database.url, MQTT_URL: broker.url });
  const client = await plainClient(t, broker.url);
  const id = randomUUID();
  const hostile: (string | object)[] = [
    "x".repeat(3 * 1024 * 1024),
    deep,
    `{"message_id":"${randomUUID()}","content":${deep}}`,
    '{"__proto__":{"message_id":"m","content":"x"}}',
    { ...envelope(), message_id: "a/b" },
    { ...envelope(), message_id: "#" },
    { ...envelope(), message_id: "x".repeat(10_000) },
    { ...envelope(), message_id: id, ack_topic: "alarm/off" },
    { ...envelope(), message_id: id, ack_topic: `delivery/acker/${id}` },
    { ...envelope(), message_id: id, ack_topic: `$SYS/${id}` },
    { ...envelope(), message_id: id, ack_topic: `+/${id}` },
    { ...envelope(), message_id: id, attempt_token: "x\u0000" },
  ];
  for (const one of hostile) await client.send("data/1", one);
  const good = envelope({ content: "honest" }) as { message_id: string; ack_topic: string };
  await client.send("data/1", good);
  assert.equal((await client.hears(good.ack_topic))["status"], "processed");
  const { messages } = await acker.status();
  assert.equal(messages["malformed"], hostile.length);
  const rows = await sql(testPool(t, database.url), "select message_id::text from acker.inbox");
  assert.deepEqual(rows, [{ message_id: good.message_id }]);
  for (const topic of ["alarm/off", `delivery/acker/${id}`, `$SYS/${id}`])
    assert.deepEqual(client.on(topic), [], topic);
  assert.equal(({} as Record<string, unknown>)["content"], undefined);
});

test("bombs and pollution under the ack and presence prefixes: counted, and the publisher continues to send", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, common);
  const client = await plainClient(t, broker.url);
  const hostile = ["x".repeat(1024 * 1024), deep, '{"__proto__":{"status":"processed"},"status":7}', "null", "\u0000"];
  for (const one of hostile) {
    await client.send(`delivery/ack/${randomUUID()}`, one);
    await client.send(`delivery/acker/${randomUUID()}`, one);
  }
  await until(async () => (await publisher.acks())["malformed"] === hostile.length, 5_000, "the bombs to be counted");
  await testAcker(t, common);
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
});

test("thousands of births do not fill the log, and the publisher continues to send", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const common = { DATABASE_URL: database.url, MQTT_URL: broker.url };
  const publisher = await testPublisher(t, common);
  const stranger = await startSpy(t, broker.url, []);
  const births = 3_000;
  const startedAt = performance.now();
  for (let i = 0; i < births; i++) {
    const instance = `stranger-${i}`;
    const birth = { instance, status: "online", filters: ["data/#"], since: Date.now() / 1_000 };
    await stranger.publish(`delivery/acker/${instance}`, JSON.stringify(birth), { qos: i === births - 1 ? 1 : 0 });
  }
  const known = async () => (await publisher.ask("GET", "/v1/status")).json["ackers_total"];
  await until(async () => (await known()) === births, 10_000, "the births to be heard");
  const seconds = (performance.now() - startedAt) / 1_000;
  const lines = publisher.log.filter((line) => line.includes("announced itself")).length;
  assert.ok(lines >= 1 && lines <= seconds + 1, `${lines} lines in ${seconds} s`);
  await testAcker(t, common);
  const id = await publisher.send({ topic: "data/1", content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
});
