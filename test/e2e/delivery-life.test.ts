/** The ends and detours of a single message: expiry, supersession, order, broker acks, dead letters, replay, poison. */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import type { FinalState } from "@acktor/chaos/check/judge";
import { AEDES, MOSQUITTO_5, testWithBrokers } from "../support/brokers.ts";
import { anyTopic, type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import { idOf, objectOf, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

testWithBrokers(
  "a newer retained message supersedes older ones of its topic",
  [AEDES, MOSQUITTO_5],
  async (t, broker) => {
    const stage = await setStage(t, { broker });
    const publisher = await stage.publisher();
    const [topic, other] = [anyTopic(), anyTopic()];
    const older = await publisher.send({ topic, content: "1", retain: true });
    const bystander = await publisher.send({ topic: other, content: "1", retain: true });
    const plain = await publisher.send({ topic, content: "not retained" });
    await until(async () => (await attempts(stage, older)) >= 1, 10_000, "the first to be tried");
    const middle = await publisher.send({ topic, content: "2", retain: true });
    const newest = await publisher.send({ topic, content: "3", retain: true });
    await becomes(publisher, older, "failed");
    await becomes(publisher, middle, "failed");
    // Until then the broker keeps an older one, and an acker that subscribes would process that: a late ack, and the truth.
    await until(async () => (await attempts(stage, newest)) >= 1, 3_000, "the newest to be on the broker");
    await stage.acker();
    const endsAs = new Map<string, FinalState>([
      [older, "failed"],
      [middle, "failed"],
    ]);
    const reasons = await stage.sql<{ reason: string }>(
      "select distinct reason from publisher.message_delivery where state = 'failed'",
    );
    assert.deepEqual(
      reasons.map((row) => row.reason),
      ["superseded"],
    );
    await becomes(publisher, newest, "acknowledged");
    await stage.assertDelivered({ accepted: [older, bystander, plain, middle, newest], endsAs });
    const spy = await startSpy(t, stage.broker.url, [topic]);
    const kept = await spy.sees((s) => s.retain, 5_000, "the retained message");
    assert.equal(idOf(kept), newest);
  },
);

testWithBrokers("messages of a key keep their order, one un-acked at a time", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const spy = await startSpy(t, stage.broker.url, [topic, "delivery/ack/+"]);
  const underWay = new Map<string, Set<string>>();
  const crowds: string[] = [];
  const keyOf = new Map<string, string>();
  spy.onMessage((sighting) => {
    if (sighting.topic !== topic) {
      const id = sighting.topic.slice("delivery/ack/".length);
      underWay.get(keyOf.get(id) ?? "")?.delete(id);
      return;
    }
    const { ordering_key: key, message_id: id } = objectOf(sighting) as { ordering_key: string; message_id: string };
    keyOf.set(id, key);
    const unacked = underWay.get(key) ?? new Set<string>();
    underWay.set(key, unacked.add(id));
    if (unacked.size > 1) crowds.push(`${key}: ${[...unacked].join(" and ")}`);
  });
  const keys = ["red", "green", "blue", "with space and ünïcode"];
  const sent = await Promise.all(keys.map((key) => sendInOrder(publisher, topic, key, 25)));
  await stage.acker();
  await stage.assertDelivered({ accepted: sent.flat() });
  assert.deepEqual(crowds, [], "more than one message of a key was under way");
  const effects = await stage.sql<{ message_id: string }>("select message_id from audit.effect order by seq");
  for (const [i, ids] of sent.entries()) {
    const inOrder = effects.map((row) => row.message_id).filter((id) => ids.includes(id));
    assert.deepEqual(inOrder, ids, `effects of key ${keys[i]}`);
  }
});

testWithBrokers("a key whose head ends without an ack continues with the next", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const head = await publisher.send({ topic, content: "head", ordering_key: "k", ttl_seconds: 1 });
  const next = await publisher.send({ topic, content: "next", ordering_key: "k", max_retries: 0 });
  const last = await publisher.send({ topic, content: "last", ordering_key: "k" });
  await becomes(publisher, head, "expired");
  await becomes(publisher, next, "failed");
  await stage.acker();
  const endsAs = new Map<string, FinalState>([
    [head, "expired"],
    [next, "failed"],
  ]);
  await stage.assertDelivered({ accepted: [head, next, last], endsAs });
});

testWithBrokers("requires_ack false ends with the PUBACK", [AEDES, MOSQUITTO_5], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const spy = await startSpy(t, stage.broker.url, [topic, "delivery/ack/+"]);
  const id = await publisher.send({ topic, content: "no answer wanted", requires_ack: false });
  await becomes(publisher, id, "acknowledged");
  const [row] = await stage.sql<{ ack_level: string }>(
    "select ack_level from publisher.message_delivery where message_id = $1::uuid",
    [id],
  );
  assert.equal(row?.ack_level, "broker");
  const envelope = await spy.sees((s) => idOf(s) === id, 5_000, "the message");
  assert.equal(objectOf(envelope)["requires_ack"], false);
  await stage.acker();
  const second = await publisher.send({ topic, content: "no answer either", requires_ack: false });
  const asked = await publisher.send({ topic, content: "an answer" });
  await stage.assertDelivered({ accepted: [id, second, asked] });
  const inbox = async () => (await stage.sql("select from acker.inbox")).length;
  await until(async () => (await inbox()) === 2, 5_000, "both to be in the inbox");
  const answered = spy.seen.filter((s) => s.topic.startsWith("delivery/ack/")).map((s) => s.topic);
  assert.deepEqual([...new Set(answered)], [`delivery/ack/${asked}`]);
});

testWithBrokers("dead letters: no try left, expired, replayed, cancelled", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const tried = await publisher.send({ topic, content: "two tries", max_retries: 1 });
  const short = await publisher.send({ topic, content: "a second", ttl_seconds: 1 });
  const never = await publisher.send({
    topic,
    content: "cancelled",
    deliver_at: new Date(Date.now() + 60_000).toISOString(),
  });
  await becomes(publisher, tried, "failed");
  await becomes(publisher, short, "expired");
  assert.equal(await attempts(stage, tried), 2, "max_retries 1 is two PUBLISHes");
  assert.equal((await publisher.request(`/v1/messages/${never}/cancel`, {})).status, 200);
  assert.equal(await publisher.state(never), "failed");
  const again = await publisher.request(`/v1/messages/${never}/cancel`, {});
  assert.equal(again.status, 409, "what has ended is not cancelled again");
  await stage.acker();
  for (const id of [tried, short]) {
    const replayed = await publisher.request(`/v1/messages/${id}/replay`, {});
    assert.deepEqual([replayed.status, replayed.json["message_id"]], [200, id], JSON.stringify(replayed.json));
  }
  await stage.assertDelivered({ accepted: [tried, short, never], endsAs: new Map([[never, "failed"]]) });
  const refused = await publisher.request(`/v1/messages/${tried}/replay`, {});
  assert.equal(refused.status, 409, "nothing leaves acknowledged");
});

testWithBrokers(
  "poison is refused permanently, and delays no other message",
  [AEDES, MOSQUITTO_5],
  async (t, broker) => {
    const stage = await setStage(t, { broker });
    const [publisher, acker] = await Promise.all([stage.publisher(), stage.acker()]);
    const topic = anyTopic();
    const spy = await startSpy(t, stage.broker.url, ["delivery/ack/+"]);
    const poison = [
      { content: "a NUL: \u0000." },
      { content: "a lone surrogate: \ud800." },
      { content: "no base64 !", content_encoding: "base64" },
      { content: "x", content_type: "a\u0000b" },
      { content: "x", ack_topic: "delivery/acker/forged" },
    ].map((fields) => {
      const id = randomUUID();
      return {
        message_id: id,
        timestamp: 1,
        requires_ack: true,
        ack_topic: `delivery/ack/${id}`,
        retry_count: 0,
        ...fields,
      };
    });
    const notEven = [
      "",
      "[]",
      "null",
      "{}",
      '{"message_id":"x"}',
      '{"message_id":"../x","content":"y"}',
      Buffer.from([0xff, 0x00]),
    ];
    const good: string[] = [];
    for (const envelope of poison) {
      await spy.publish(
        topic,
        JSON.stringify({
          ...envelope,
          attempt_token: "1",
          checksum: envelope.content_type ? undefined : checksum(envelope),
        }),
      );
      good.push(await publisher.send({ topic, content: `next to ${envelope.message_id}` }));
    }
    for (const bytes of notEven) await spy.publish(topic, bytes);
    good.push(await publisher.send({ topic, content: "after all of it" }));
    for (const { message_id: id } of poison.slice(0, 3)) {
      const ack = objectOf(await spy.sees((s) => s.topic === `delivery/ack/${id}`, 5_000, `an answer to ${id}`));
      assert.deepEqual([ack["status"], ack["retryable"]], ["rejected", true], JSON.stringify(ack));
    }
    await stage.assertDelivered({ accepted: good });
    assert.deepEqual(
      await stage.sql("select from acker.inbox where message_id = any($1::uuid[])", [
        `{${poison.map((p) => p.message_id)}}`,
      ]),
      [],
    );
    assert.equal((await fetch(`${acker.url}/readyz`)).status, 200);
  },
);

testWithBrokers(
  "a row of the caller's own transaction is sent, and only after its commit",
  [AEDES],
  async (t, broker) => {
    const stage = await setStage(t, { broker });
    await stage.publisher();
    await stage.acker();
    const topic = anyTopic();
    const refused = await stage.pool.run("select publisher.enqueue($1::text, 'rolled back'), 1 / 0", [topic]);
    assert.equal(refused.ok, false);
    const rows = await stage.sql<{ id: string }>(
      "select publisher.enqueue($1::text, 'committed ' || n) id from generate_series(1, 20) n",
      [topic],
    );
    await stage.assertDelivered({ accepted: rows.map((row) => row.id) });
    const [slow] = await stage.sql<{ ms: number }>(
      "select max(extract(epoch from acknowledged_at - created_at) * 1000)::float8 ms from publisher.message_delivery",
    );
    t.diagnostic(`slowest from creation to acknowledgment: ${slow?.ms.toFixed(0)} ms`);
    assert.equal((await stage.sql("select from acker.inbox")).length, 20);
  },
);

function checksum({ content, content_encoding: encoding }: { content: string; content_encoding?: string }): string {
  const bytes = encoding === "base64" ? Buffer.from(content, "base64") : Buffer.from(content, "utf8");
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function sendInOrder(publisher: PublisherProcess, topic: string, key: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await publisher.send({ topic, content: `${key} ${n}`, ordering_key: key }));
  return ids;
}

async function attempts({ sql }: Stage, id: string): Promise<number> {
  const [row] = await sql<{ attempts: number }>(
    "select attempts from publisher.message_delivery where message_id = $1::uuid",
    [id],
  );
  return row?.attempts ?? 0;
}

async function becomes(publisher: PublisherProcess, id: string, state: string): Promise<void> {
  await until(async () => (await publisher.state(id)) === state, 15_000, `message ${id} to be ${state}`);
}
