/** The acker on each broker: shared subscriptions, retained messages, wills, and what only MQTT 5 carries. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connectAsync } from "mqtt";
import { plainClient, ready, sql, type TestAcker, testAcker, testPool } from "../support/acker.ts";
import { ALL_BROKERS, MOSQUITTO_5, MOSQUITTO_311, testWithBrokers } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { testDatabase } from "../support/postgres.ts";
import { startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

testWithBrokers(
  "a group on MQTT 5: each message to one acker; when one leaves the other takes all",
  [MOSQUITTO_5],
  async (t, kind) => {
    const broker = await kind.start(t);
    const { url } = await testDatabase(t);
    const env = { ...kind.env, DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_GROUP: "g" };
    const a = await testAcker(t, { ...env, ACKTOR_INSTANCE: "a" });
    const b = await testAcker(t, { ...env, ACKTOR_INSTANCE: "b" });
    const client = await plainClient(t, broker.url, ["delivery/#"]);
    await until(
      () => client.on("delivery/acker/a").length > 0 && client.on("delivery/acker/b").length > 0,
      5_000,
      "births",
    );
    const send = async (count: number): Promise<void> => {
      const ids = Array.from({ length: count }, () => randomUUID());
      await Promise.all(ids.map((id) => client.send("data/a", { message_id: id, content: "x" })));
      for (const id of ids) await client.hears(`delivery/ack/${id}`, 1, 10_000);
    };
    await send(200);
    const pool = testPool(t, url);
    const total = "select count(*)::int as rows, sum(deliveries)::int as deliveries from acker.inbox";
    assert.deepEqual(await sql(pool, total), [{ rows: 200, deliveries: 200 }]);
    const shares = [(await a.status()).messages["first"], (await b.status()).messages["first"]];
    assert.ok(
      shares.every((share) => (share ?? 0) > 0),
      `both took some: ${shares}`,
    );
    assert.deepEqual(JSON.parse(client.on("delivery/acker/a")[0]?.text ?? "{}").filters, ["data/#"]);
    await b.running.stop();
    await send(50);
    assert.deepEqual(await sql(pool, total), [{ rows: 250, deliveries: 250 }]);
  },
);

testWithBrokers(
  "a group on 3.1.1 is used only when it is asked for; otherwise one warning and plain filters",
  [MOSQUITTO_311],
  async (t, kind) => {
    const broker = await kind.start(t);
    const { url } = await testDatabase(t);
    const env = { ...kind.env, DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_GROUP: "g" };
    const pool = testPool(t, url);
    const client = await plainClient(t, broker.url, ["delivery/#"]);
    const deliveriesWith = async (id: string, more: Record<string, string>, acks: number): Promise<unknown> => {
      const ackers: TestAcker[] = [];
      for (const name of ["a", "b"])
        ackers.push(await testAcker(t, { ...env, ...more, ACKTOR_INSTANCE: `${name}-${id}` }));
      const births = () => ackers.every(({ running }) => client.on(`delivery/acker/${running.instance}`).length > 0);
      await until(births, 5_000, "the births");
      await client.send("data/a", { message_id: id, content: "x" });
      await client.hears(`delivery/ack/${id}`, acks);
      const said = ackers.map(
        ({ log }) => log.filter((line) => String(line["msg"]).includes("no shared subscriptions")).length,
      );
      for (const { running } of ackers) await running.stop();
      const [row] = await sql(pool, "select deliveries from acker.inbox where external_id = $1", [id]);
      return { deliveries: row?.["deliveries"], said };
    };
    assert.deepEqual(await deliveriesWith("plain", {}, 2), { deliveries: 2, said: [1, 1] });
    assert.deepEqual(await deliveriesWith("shared", { ACKTOR_SHARED_ON_311: "on" }, 1), {
      deliveries: 1,
      said: [0, 0],
    });
  },
);

testWithBrokers(
  "on MQTT 5 an ack carries the id as correlation data, and dies in the broker after a minute",
  [MOSQUITTO_5],
  async (t, kind) => {
    const broker = await kind.start(t);
    const { url } = await testDatabase(t);
    await testAcker(t, { ...kind.env, DATABASE_URL: url, MQTT_URL: broker.url });
    const client = await connectAsync(broker.url, { protocolVersion: 5 });
    cleanUp(t, () => client.endAsync(true));
    const heard: Record<string, unknown>[] = [];
    client.on("message", (_topic, _payload, { properties }) => heard.push({ ...properties }));
    await client.subscribeAsync("delivery/ack/+", { qos: 1 });
    await client.publishAsync("data/a", JSON.stringify({ message_id: "m1", content: "x" }), { qos: 1 });
    const properties = await until(() => heard[0], 5_000, "the ack");
    assert.equal(String(properties["correlationData"]), "m1");
    assert.equal(properties["contentType"], "application/json");
    const expiry = Number(properties["messageExpiryInterval"]);
    assert.ok(expiry > 50 && expiry <= 60, String(expiry));
  },
);

testWithBrokers(
  "a retained message is processed once, however often the acker comes back",
  ALL_BROKERS,
  async (t, kind) => {
    const broker = await kind.start(t);
    const { url } = await testDatabase(t);
    const client = await plainClient(t, broker.url, ["delivery/#"]);
    await client.send("data/config", { message_id: "m1", content: "x" }, true);
    for (let n = 1; n <= 2; n++) {
      const acker = await testAcker(t, { ...kind.env, DATABASE_URL: url, MQTT_URL: broker.url });
      assert.equal((await client.hears("delivery/ack/m1", n))["status"], "processed");
      await acker.running.stop();
    }
    assert.deepEqual(await sql(testPool(t, url), "select deliveries from acker.inbox"), [{ deliveries: 2 }]);
  },
);

testWithBrokers(
  "killed with -9, the broker says the will, retained, and a new start says the birth over it",
  ALL_BROKERS,
  async (t, kind) => {
    const broker = await kind.start(t);
    const { url } = await testDatabase(t);
    const env = { ...kind.env, DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_TOPICS: "data/#", ACKTOR_INSTANCE: "w" };
    const client = await plainClient(t, broker.url, ["delivery/#"]);
    const said = (): string[] =>
      client.on("delivery/acker/w").map(({ text }) => (text === "" ? "" : JSON.parse(text).status));
    const acker = await startService(t, "acker", env);
    await acker.ready();
    await until(() => said().at(-1) === "online", 5_000, "the birth");
    await acker.kill();
    await until(() => said().at(-1) === "lost", 5_000, "the will");
    const next = await startService(t, "acker", env);
    await ready(next.url);
    await until(() => said().at(-1) === "online", 5_000, "the next birth");
    assert.equal((await next.stop()).code, 0);
    await until(() => said().at(-1) === "", 5_000, "the clearing");
    assert.deepEqual(said(), ["online", "lost", "online", ""]);
  },
);
