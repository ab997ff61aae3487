/** What goes wrong between broker and services: acks lost, packets doubled or altered, PUBACKs that come too late. */
import assert from "node:assert/strict";
import { AEDES, ALL_BROKERS, testWithBrokers } from "../support/brokers.ts";
import { type PublishRule, startMqttProxy } from "../support/mqtt-proxy.ts";
import { anyTopic, type PublisherProcess, setStage } from "../support/pair.ts";
import { until } from "../support/until.ts";

const MESSAGES = 100;

const isAck = (topic: string): boolean => topic.startsWith("delivery/ack/");
const isMessage = (topic: string): boolean => topic.startsWith("e2e/");

testWithBrokers("acks that are lost are given again, without a second effect", ALL_BROKERS, async (t, broker) => {
  const stage = await setStage(t, { broker });
  const proxy = await startMqttProxy(t, stage.broker.port);
  const publisher = await stage.publisher();
  await stage.acker({ MQTT_URL: proxy.url });
  const lost = new Set<string>();
  proxy.setRule(({ topic, direction }) => {
    if (direction !== "to_broker" || !isAck(topic) || lost.has(topic)) return "pass";
    lost.add(topic);
    return "lose";
  });
  const accepted = await sendMany(publisher);
  await stage.assertDelivered({ accepted });
  assert.equal(proxy.counts.lost, MESSAGES, "the first ack of each message was lost");
  const once = await stage.sql("select message_id from acker.inbox where deliveries < 2");
  assert.deepEqual(once, [], "messages that were not delivered again");
});

testWithBrokers(
  "while no ack at all comes through nothing ends, and then everything does",
  [AEDES],
  async (t, broker) => {
    const stage = await setStage(t, { broker });
    const proxy = await startMqttProxy(t, stage.broker.port);
    const publisher = await stage.publisher();
    await stage.acker({ MQTT_URL: proxy.url });
    proxy.setRule(({ topic, direction }) => (direction === "to_broker" && isAck(topic) ? "lose" : "pass"));
    const accepted = await sendMany(publisher);
    const parked = "select from publisher.destination where parked_at is not null";
    await until(async () => (await stage.sql(parked)).length === 5, 15_000, "five silent destinations to be parked");
    assert.deepEqual(await stage.sql("select from publisher.message_delivery where state = 'acknowledged'"), []);
    proxy.setRule(null);
    await stage.assertDelivered({ accepted });
  },
);

testWithBrokers("packets that come twice have one effect", ALL_BROKERS, async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [before, behind] = [await startMqttProxy(t, stage.broker.port), await startMqttProxy(t, stage.broker.port)];
  const twice: PublishRule = ({ topic, direction }) => {
    return direction === "to_client" && (isAck(topic) || isMessage(topic)) ? "double" : "pass";
  };
  before.setRule(twice);
  behind.setRule(twice);
  const publisher = await stage.publisher({ MQTT_URL: before.url });
  await stage.acker({ MQTT_URL: behind.url });
  const accepted = await sendMany(publisher);
  await stage.assertDelivered({ accepted });
  assert.ok(behind.counts.doubled >= MESSAGES, `${behind.counts.doubled} messages were doubled`);
  assert.ok(before.counts.doubled >= MESSAGES, `${before.counts.doubled} acks were doubled`);
  const acks = await stage.sql("select from publisher.delivery_acknowledgment");
  assert.equal(acks.length, MESSAGES, "one acknowledgment per message and client");
});

testWithBrokers("altered packets change nothing", ALL_BROKERS, async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [before, behind] = [await startMqttProxy(t, stage.broker.port), await startMqttProxy(t, stage.broker.port)];
  // The first copy of each message arrives with other content, the first good ack with another checksum.
  const altered = new Set<string>();
  behind.setRule(({ topic, payload, direction }) => {
    if (direction !== "to_client" || !isMessage(topic)) return "pass";
    const { message_id: id } = JSON.parse(payload.toString("utf8")) as { message_id: string };
    if (altered.has(id)) return "pass";
    altered.add(id);
    return Buffer.from(payload.toString("utf8").replace('"content":"message', '"content":"MESSAGE'));
  });
  const spoiled = new Set<string>();
  before.setRule(({ topic, payload, direction }) => {
    const text = payload.toString("utf8");
    if (direction !== "to_client" || !isAck(topic) || !text.includes('"processed"') || spoiled.has(topic))
      return "pass";
    spoiled.add(topic);
    return Buffer.from(text.replace(/sha256:[0-9a-f]{8}/, "sha256:00000000"));
  });
  const publisher = await stage.publisher({ MQTT_URL: before.url });
  await stage.acker({ MQTT_URL: behind.url });
  const accepted = await sendMany(publisher);
  await stage.assertDelivered({ accepted });
  assert.equal(behind.counts.altered, MESSAGES, "messages altered");
  assert.equal(before.counts.altered, MESSAGES, "acks altered");
  const refusals = await stage.sql(
    "select distinct message_id from publisher.delivery_attempt where outcome = 'rejected'",
  );
  assert.equal(refusals.length, MESSAGES, "each altered copy was refused by the acker, and that is in the timeline");
});

testWithBrokers("an ack that comes before the PUBACK settles the message", ALL_BROKERS, async (t, broker) => {
  // A withheld PUBACK is a dead connection after the publish deadline; here it is only late.
  const stage = await setStage(t, { broker, env: { ACKTOR_PUBLISH_DEADLINE: "20s", ACKTOR_ACK_TIMEOUT_MIN: "20s" } });
  const proxy = await startMqttProxy(t, stage.broker.port);
  const publisher = await stage.publisher({ MQTT_URL: proxy.url });
  await stage.acker();
  await publisher.send({ topic: anyTopic(), content: "message to warm up" });
  proxy.holdPubacks(true);
  // Below the first window of a destination, which PUBACKs do not limit.
  const accepted = await sendMany(publisher, 8);
  const settled = async (): Promise<boolean> => {
    const states = await Promise.all(accepted.map((id) => publisher.state(id)));
    return states.every((state) => state === "acknowledged");
  };
  await until(settled, 1_900, "all to be acknowledged without a PUBACK");
  assert.ok(proxy.counts.held >= 8, `${proxy.counts.held} PUBACKs were held`);
  proxy.holdPubacks(false);
  const moves = await stage.sql<{ moves: string }>(
    `select string_agg(after, ' > ' order by seq) moves from audit.move where message_id = any($1::uuid[])
     group by message_id`,
    [`{${accepted.join(",")}}`],
  );
  assert.deepEqual([...new Set(moves.map((row) => row.moves))], ["pending > acknowledged"]);
  await stage.assertDelivered({ accepted });
});

async function sendMany(publisher: PublisherProcess, count = MESSAGES): Promise<string[]> {
  const topics = Array.from({ length: 5 }, anyTopic);
  const bodies = Array.from({ length: count }, (_, n) => ({ topic: topics[n % 5], content: `message ${n}` }));
  return Promise.all(bodies.map((body) => publisher.send(body)));
}
