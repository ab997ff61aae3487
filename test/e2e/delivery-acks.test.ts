/** Acks from a receiver without our code: the tutorial's form, refusals, late ones, and messages that are not acks. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { encodeAck } from "@acktor/shared/protocol/ack";
import { AEDES, ALL_BROKERS, testWithBrokers } from "../support/brokers.ts";
import { anyTopic, type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import { plainAck, signed } from "../support/proof.ts";
import { idOf, objectOf, type Sighting, type Spy, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

interface Scene {
  readonly stage: Stage;
  readonly publisher: PublisherProcess;
  /** The receiver: it is subscribed to the topic, and answers only what the test tells it to. */
  readonly receiver: Spy;
  readonly topic: string;
}

testWithBrokers("acks from a receiver without our code", ALL_BROKERS, async (t, broker) => {
  const scene = await setScene(t, broker);
  await t.test("the tutorial's forms, and foreign ones, are accepted", () => tutorialForms(scene));
  await t.test("a payload that is not an ack of the message changes nothing", () => noAcks(scene));
  await t.test("rejections: retryable, permanent, and a late ack after one", () => refusals(scene));
  await t.test("before the message was sent, and after it expired", () => earlyAndLate(scene));
});

async function tutorialForms({ stage, publisher, receiver, topic }: Scene): Promise<void> {
  const forms = ['{"client_id":"tutorial"}', "{}", '{"status":"processed"}', '{"client_id":null,"more":[1,2]}'];
  const accepted: string[] = [];
  for (const form of forms) {
    const id = await publisher.send({ topic, content: `answered by ${form}` });
    accepted.push(id);
    await arrival(receiver, id);
    await receiver.publish(`delivery/ack/${id}`, form);
    await becomes(publisher, id, "acknowledged");
  }
  const [first] = accepted;
  const clients = async () => {
    return stage.sql<{ client_id: string; late: boolean }>(
      "select client_id, late from publisher.delivery_acknowledgment where message_id = $1::uuid order by client_id",
      [first ?? ""],
    );
  };
  assert.deepEqual(await clients(), [{ client_id: "tutorial", late: false }]);
  // Again the same, then another receiver: recorded per client, and the row is left as it is.
  await receiver.publish(`delivery/ack/${first}`, '{"client_id":"tutorial"}');
  await receiver.publish(`delivery/ack/${first}`, '{"client_id":"second"}');
  await until(async () => (await clients()).length === 2, 5_000, "the second receiver's ack to be recorded");
  assert.deepEqual(
    (await clients()).map((row) => row.client_id),
    ["second", "tutorial"],
  );
  await stage.assertDelivered({ accepted, foreign: new Set(accepted) });
}

async function noAcks({ stage, publisher, receiver, topic }: Scene): Promise<void> {
  const id = await publisher.send({ topic, content: "not processed by anyone" });
  const envelope = await arrival(receiver, id);
  const own = `delivery/ack/${id}`;
  const token = String(objectOf(envelope)["attempt_token"]);
  const rubbish: readonly (readonly [string, string | Buffer])[] = [
    [own, "[]"],
    [own, '[{"client_id":"x"}]'],
    [own, ""],
    [own, "null"],
    [own, "true"],
    [own, '"processed"'],
    [own, "processed"],
    [own, '{"client_id":"x"'],
    [own, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    [own, '{"client_id":"a\\u0000b"}'],
    [own, '{"client_id":"\\ud800"}'],
    [own, '{"client_id":7.5}'],
    [own, '{"status":"maybe"}'],
    [own, `{"message_id":"${randomUUID()}"}`],
    [own, `{"client_id":"${"x".repeat(20_000)}"}`],
    [own, '{"client_id":"x","checksum":"sha256:0000"}'],
    [own, '{"status":"rejected","retryable":false,"reason":"no token"}'],
    [own, `{"status":"rejected","retryable":false,"attempt_token":"${Number(token) + 1}"}`],
    [own, `{"status":"rejected","retryable":false,"attempt_token":"1 or 1=1"}`],
    [`delivery/ack/${id}/x`, "{}"],
    [`delivery/ack/${randomUUID()}`, "{}"],
    ["delivery/ack/not-an-id", "{}"],
    ["delivery/ack/", "{}"],
  ];
  for (const [ackTopic, payload] of rubbish) await receiver.publish(ackTopic, payload);
  // The envelope itself, as a receiver that echoes would send it, of another message: acks and rejections come in order,
  // so that its end shows that all of the above was looked at.
  const last = await publisher.send({ topic, content: "this one is" });
  await arrival(receiver, last);
  await receiver.publish(`delivery/ack/${last}`, '{"client_id":"x"}');
  await becomes(publisher, last, "acknowledged");
  const [row] = await stage.sql<{ state: string; acks: number }>(
    `select state, (select count(*)::int4 from publisher.delivery_acknowledgment a where a.message_id = m.message_id) acks
     from publisher.message_delivery m where message_id = $1::uuid`,
    [id],
  );
  assert.ok(row?.state === "pending" || row?.state === "sent", `the message is ${row?.state}`);
  assert.equal(row.acks, 0);
  const unknown =
    "select from publisher.delivery_acknowledgment where message_id not in (select message_id from publisher.message_delivery)";
  assert.deepEqual(await stage.sql(unknown), [], "an ack for an unknown id is counted, never stored");
  const complaints = publisher
    .output()
    .split("\n")
    .filter((line) => line.includes("ignored"));
  assert.ok(complaints.length >= 1 && complaints.length <= 5, `said ${complaints.length} times`);
  await receiver.publish(own, "{}");
  await stage.assertDelivered({ accepted: [id, last], foreign: new Set([id, last]) });
}

testWithBrokers("an ack that lies retained on the broker changes nothing", ALL_BROKERS, async (t, broker) => {
  const stage = await setStage(t, { broker });
  const topic = anyTopic();
  const receiver = await startSpy(t, stage.broker.url, [topic]);
  const [row] = await stage.sql<{ id: string }>("select publisher.enqueue($1::text, 'older than its ack') id", [topic]);
  const id = row?.id ?? "";
  await receiver.publish(`delivery/ack/${id}`, "{}", { retain: true });
  const publisher = await stage.publisher();
  await arrival(receiver, id);
  const last = await publisher.send({ topic, content: "for the order" });
  await arrival(receiver, last);
  await receiver.publish(`delivery/ack/${last}`, "{}");
  await becomes(publisher, last, "acknowledged");
  assert.notEqual(await publisher.state(id), "acknowledged");
  await receiver.publish(`delivery/ack/${id}`, "{}");
  await stage.assertDelivered({ accepted: [id, last], foreign: new Set([id, last]) });
});

async function refusals({ stage, publisher, receiver, topic }: Scene): Promise<void> {
  const again = await publisher.send({ topic, content: "not yet" });
  const first = await arrival(receiver, again);
  await reject(receiver, first, { retryable: true, reason: "busy" });
  const second = await receiver.sees((s) => idOf(s) === again && s !== first, 10_000, "the message to be sent again");
  assert.equal(objectOf(second)["retry_count"], 1);
  assert.notEqual(objectOf(second)["attempt_token"], objectOf(first)["attempt_token"]);
  await reject(receiver, first, { retryable: false, reason: "an old token" });
  await receiver.publish(`delivery/ack/${again}`, '{"client_id":"x"}');
  await becomes(publisher, again, "acknowledged");

  const never = await publisher.send({ topic, content: "never" });
  await reject(receiver, await arrival(receiver, never), { retryable: false, reason: "of no use" });
  await becomes(publisher, never, "failed");
  const [row] = await stage.sql<{ reason: string }>(
    "select reason from publisher.message_delivery where message_id = $1::uuid",
    [never],
  );
  assert.match(row?.reason ?? "", /of no use/);
  const late = await publisher.send({ topic, content: "refused, and then processed after all" });
  await reject(receiver, await arrival(receiver, late), { retryable: false, reason: "of no use" });
  await becomes(publisher, late, "failed");
  await receiver.publish(`delivery/ack/${late}`, "{}");
  await becomes(publisher, late, "acknowledged");
  const [flag] = await stage.sql<{ late: boolean }>(
    "select late from publisher.message_delivery where message_id = $1::uuid",
    [late],
  );
  assert.equal(flag?.late, true);
  const endsAs = new Map([[never, "failed"] as const]);
  await stage.assertDelivered({ accepted: [again, never, late], endsAs, foreign: new Set([again, late]) });
}

async function earlyAndLate({ stage, publisher, receiver, topic }: Scene): Promise<void> {
  const deliverAt = new Date(Date.now() + 3_600_000).toISOString();
  const early = await publisher.send({ topic, content: "acked in advance", deliver_at: deliverAt });
  await receiver.publish(`delivery/ack/${early}`, '{"client_id":"clairvoyant"}');
  await becomes(publisher, early, "acknowledged");
  const expired = await publisher.send({ topic, content: "not in time", ttl_seconds: 1 });
  const forGood = await publisher.send({ topic, content: "not at all", ttl_seconds: 1 });
  await becomes(publisher, expired, "expired");
  await becomes(publisher, forGood, "expired");
  await receiver.publish(`delivery/ack/${expired}`, '{"client_id":"slow"}');
  await becomes(publisher, expired, "acknowledged");
  const rows = await stage.sql<{ message_id: string; late: boolean; retry_count: number }>(
    "select message_id, late, retry_count from publisher.message_delivery where message_id = any($1::uuid[]) order by created_at",
    [`{${early},${expired}}`],
  );
  assert.deepEqual(
    rows.map((row) => [row.message_id, row.late]),
    [
      [early, false],
      [expired, true],
    ],
  );
  const endsAs = new Map([[forGood, "expired"] as const]);
  await stage.assertDelivered({ accepted: [early, expired, forGood], endsAs, foreign: new Set([early, expired]) });
}

testWithBrokers("with a secret only signed acks count", [AEDES], async (t, broker) => {
  const secret = "a secret of sixteen or more";
  const { stage, publisher, receiver, topic } = await setScene(t, broker, { ACKTOR_ACK_SECRET: secret });
  const id = await publisher.send({ topic, content: "signed, please" });
  const envelope = objectOf(await arrival(receiver, id));
  const token = String(envelope["attempt_token"]);
  const [outbox] = await stage.sql<{ id: string }>("select outbox_id::text id from publisher.outbox");
  const ack = plainAck({
    ...{ message_id: id, client_id: "x", attempt_token: token, topic, checksum: String(envelope["checksum"]) },
  });
  const good = signed(ack, secret, outbox?.id ?? "");
  const forged = [
    {},
    { client_id: "x" },
    JSON.parse(encodeAck(signed(ack, "another secret of that length", outbox?.id ?? ""))),
    // A good signature, of another ack.
    JSON.parse(encodeAck({ ...good, client_id: "y" })),
    JSON.parse(encodeAck({ ...good, status: "rejected" })),
    JSON.parse(encodeAck(signed(ack, secret, null))),
  ];
  for (const one of forged) await receiver.publish(`delivery/ack/${id}`, JSON.stringify(one));
  await stage.acker();
  const other = await publisher.send({ topic, content: "answered by our acker" });
  await becomes(publisher, other, "acknowledged");
  const clients = await stage.sql<{ client_id: string }>("select client_id from publisher.delivery_acknowledgment");
  assert.deepEqual(
    clients.filter((row) => row.client_id === "x" || row.client_id === "y" || row.client_id === ""),
    [],
  );
  await stage.assertDelivered({ accepted: [id, other] });
});

async function setScene(
  t: Parameters<Parameters<typeof testWithBrokers>[2]>[0],
  broker: typeof AEDES,
  env = {},
): Promise<Scene> {
  const stage = await setStage(t, { broker, env });
  const topic = anyTopic();
  const receiver = await startSpy(t, stage.broker.url, [topic]);
  return { stage, publisher: await stage.publisher(), receiver, topic };
}

function arrival(receiver: Spy, id: string): Promise<Sighting> {
  return receiver.sees((sighting) => idOf(sighting) === id, 5_000, `message ${id} to arrive`);
}

async function becomes(publisher: PublisherProcess, id: string, state: string): Promise<void> {
  await until(async () => (await publisher.state(id)) === state, 10_000, `message ${id} to be ${state}`);
}

async function reject(
  receiver: Spy,
  delivery: Sighting,
  answer: { retryable: boolean; reason: string },
): Promise<void> {
  const { message_id: id, attempt_token, checksum } = objectOf(delivery);
  const ack = { client_id: "picky", status: "rejected", attempt_token, checksum, ...answer };
  await receiver.publish(`delivery/ack/${String(id)}`, JSON.stringify(ack));
}
