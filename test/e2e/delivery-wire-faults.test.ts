/** What goes wrong between broker and services: acks lost, packets doubled or altered, PUBACKs that come too late. */
import assert from "node:assert/strict";
import type { MqttProxy, PacketRule } from "@acktor/chaos/proxy/mqtt-proxy";
import { AEDES, MOSQUITTO_5, testWithBrokers } from "../support/brokers.ts";
import { anyTopic, type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import type { Service } from "../support/processes.ts";
import { testMqttProxy } from "../support/proxies.ts";
import { until } from "../support/until.ts";

const MESSAGES = 100;

const isAck = (topic: string): boolean => topic.startsWith("delivery/ack/");
const isMessage = (topic: string): boolean => topic.startsWith("e2e/");

interface Scene {
  readonly stage: Stage;
  readonly publisher: PublisherProcess;
  readonly acker: Service;
  /** Between publisher and broker. */
  readonly before: MqttProxy;
  /** Between broker and acker. */
  readonly behind: MqttProxy;
}

testWithBrokers("faults on the wire", [AEDES, MOSQUITTO_5], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [before, behind] = [await testMqttProxy(t, stage.broker.port), await testMqttProxy(t, stage.broker.port)];
  const [publisher, acker] = await Promise.all([
    stage.publisher({ MQTT_URL: before.url }),
    stage.acker({ MQTT_URL: behind.url }),
  ]);
  const scene = { stage, publisher, acker, before, behind };
  await t.test("acks that are lost are given again, without a second effect", () => lostAcks(scene));
  await t.test("packets that come twice have one effect", () => doubled(scene));
  await t.test("altered packets change nothing", () => altered(scene));
});

async function lostAcks({ stage, publisher, behind }: Scene): Promise<void> {
  const lost = new Set<string>();
  behind.setRule(({ topic, direction }) => {
    if (direction !== "to_server" || !isAck(topic) || lost.has(topic)) return "pass";
    lost.add(topic);
    return "lose";
  });
  const accepted = await sendMany(publisher);
  await stage.assertDelivered({ accepted });
  behind.setRule(null);
  assert.equal(behind.counts.lost, MESSAGES, "the first ack of each message was lost");
  const once = await stage.sql("select message_id from acker.inbox where deliveries < 2");
  assert.deepEqual(once, [], "messages that were not delivered again");
}

async function doubled({ stage, publisher, before, behind }: Scene): Promise<void> {
  const twice: PacketRule = ({ topic, direction }) => {
    return direction === "to_client" && (isAck(topic) || isMessage(topic)) ? "double" : "pass";
  };
  before.setRule(twice);
  behind.setRule(twice);
  const accepted = await sendMany(publisher);
  await stage.assertDelivered({ accepted });
  before.setRule(null);
  behind.setRule(null);
  assert.ok(behind.counts.doubled >= MESSAGES, `${behind.counts.doubled} messages were doubled`);
  assert.ok(before.counts.doubled >= MESSAGES, `${before.counts.doubled} acks were doubled`);
  const acks = await stage.sql("select from publisher.delivery_acknowledgment where message_id = any($1::uuid[])", [
    `{${accepted}}`,
  ]);
  assert.equal(acks.length, MESSAGES, "one acknowledgment per message and client");
}

/** The first copy of each message arrives with other content, the first good ack with another checksum. */
async function altered({ stage, publisher, acker, before, behind }: Scene): Promise<void> {
  const topics = fiveTopics();
  const altered = new Set<string>();
  const first = (key: string): boolean => altered.size < altered.add(key).size;
  behind.setRule(({ topic, payload, direction }) => {
    const text = payload.toString("utf8");
    // Late copies of the messages before pass.
    if (direction !== "to_client" || !topics.includes(topic)) return "pass";
    if (!first(String(JSON.parse(text).message_id))) return "pass";
    return Buffer.from(text.replace('"content":"message', '"content":"MESSAGE'));
  });
  before.setRule(({ topic, payload, direction }) => {
    const text = payload.toString("utf8");
    const isOurs = isAck(topic) && altered.has(topic.slice(topic.lastIndexOf("/") + 1));
    if (direction !== "to_client" || !isOurs || !text.includes('"processed"') || !first(topic)) return "pass";
    return Buffer.from(text.replace(/sha256:[0-9a-f]{8}/, "sha256:00000000"));
  });
  const accepted = await sendMany(publisher, MESSAGES, topics);
  await stage.assertDelivered({ accepted });
  before.setRule(null);
  behind.setRule(null);
  assert.equal(behind.counts.altered, MESSAGES, "messages altered");
  assert.equal(before.counts.altered, MESSAGES, "acks altered");
  const status = (await (await fetch(`${acker.url}/v1/status`)).json()) as { messages: { corrupt: number } };
  assert.equal(status.messages.corrupt, MESSAGES, "each altered copy was refused by the acker");
  const refused = await stage.sql(
    `select distinct message_id from publisher.delivery_attempt
     where outcome = 'rejected' and message_id = any($1::uuid[])`,
    [`{${accepted}}`],
  );
  // Not each: a refusal that comes after the message was sent again names an attempt that is over.
  assert.ok(refused.length > 0, "refusals are in the timeline");
}

testWithBrokers("no ack at all comes through, and nothing ends; then everything does", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const proxy = await testMqttProxy(t, stage.broker.port);
  const [publisher] = await Promise.all([stage.publisher(), stage.acker({ MQTT_URL: proxy.url })]);
  proxy.setRule(({ topic, direction }) => (direction === "to_server" && isAck(topic) ? "lose" : "pass"));
  const accepted = await sendMany(publisher);
  const parked = "select from publisher.destination where parked_at is not null";
  await until(async () => (await stage.sql(parked)).length === 5, 15_000, "five silent destinations to be parked");
  assert.deepEqual(await stage.sql("select from publisher.message_delivery where state = 'acknowledged'"), []);
  proxy.setRule(null);
  await stage.assertDelivered({ accepted });
});

const LATE_PUBACKS = { ACKTOR_PUBLISH_DEADLINE: "20s", ACKTOR_ACK_TIMEOUT_MIN: "20s", ACKTOR_LEASE: "60s" };

testWithBrokers("an ack that comes before the PUBACK settles the message", [AEDES], async (t, broker) => {
  // A withheld PUBACK is a dead connection after the publish deadline; here it is only late.
  const stage = await setStage(t, { broker, env: LATE_PUBACKS });
  const proxy = await testMqttProxy(t, stage.broker.port);
  const [publisher] = await Promise.all([stage.publisher({ MQTT_URL: proxy.url }), stage.acker()]);
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

function fiveTopics(): string[] {
  return Array.from({ length: 5 }, anyTopic);
}

async function sendMany(publisher: PublisherProcess, count = MESSAGES, topics = fiveTopics()): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, n) => ({ topic: topics[n % 5], content: `message ${n}` }));
  return Promise.all(bodies.map((body) => publisher.send(body)));
}
