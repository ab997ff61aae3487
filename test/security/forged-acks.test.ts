/** Unauthorized acks: forged, replayed, retained, as a will. With a key configured, none of them changes a row. */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { Pool } from "@acktor/shared/db/pool";
import { type Ack, encodeAck } from "@acktor/shared/protocol/ack";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import mqtt from "mqtt";
import { type AckKeyPair, ackKeyPair } from "../support/ack-keys.ts";
import { sql, testBroker, testPool } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { signed, type TestKey } from "../support/proof.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { idOf, objectOf, type Spy, startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const SECRET = "the secret of the acks";
const ROWS = 100;
const FORGERIES = 10_000;

interface Scene {
  readonly publisher: TestPublisher;
  readonly pool: Pool;
  readonly brokerUrl: string;
  /** Receives everything, like any client that subscribes to `#`. */
  readonly stranger: Spy;
  readonly keys: AckKeyPair;
  /** Rows that no statement changes: some pending until tomorrow, and one in flight. */
  readonly ids: readonly string[];
  readonly inFlight: string;
  /** The ack that the row's acker would send. */
  honest(id: string): Ack;
  /** The same ack, signed with a key for this outbox. */
  sign(ack: Ack, key: TestKey): Ack;
}

/** Times are long, so that only an ack could change a row during the test. */
async function setScene(t: TestContext): Promise<Scene> {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const keys = ackKeyPair();
  const publisher = await testPublisher(t, {
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    ACKTOR_ACK_SECRET: SECRET,
    ACKTOR_ACK_PUBLIC_KEYS: keys.publicPem,
    ACKTOR_ACK_TIMEOUT_MIN: "1h",
    ACKTOR_ACK_TIMEOUT_MAX: "2h",
  });
  const stranger = await startSpy(t, broker.url, ["#"]);
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
  const messages = Array.from({ length: ROWS }, (_, i) => ({ topic: "data/1", content: `${i}`, deliver_at: tomorrow }));
  const batch = await publisher.ask("POST", "/v1/messages/batch", { messages });
  assert.equal(batch.status, 201);
  const batched = batch.json["message_ids"] as string[];
  const inFlight = await publisher.send({ topic: "data/1", content: "in flight" });
  await until(async () => (await publisher.state(inFlight)) === "sent", 5_000, "the message to be sent");
  const envelope = objectOf(await stranger.sees((one) => idOf(one) === inFlight, 5_000, "the envelope"));
  const honest = (id: string): Ack => ({
    message_id: id,
    client_id: "acker",
    status: "processed",
    reason: null,
    retryable: true,
    attempt_token: id === inFlight ? String(envelope["attempt_token"]) : "1",
    topic: "data/1",
    checksum: checksumOf(id === inFlight ? "in flight" : `${batched.indexOf(id)}`, "utf8"),
    signature: null,
  });
  const pool = testPool(t, database.url);
  const [outbox] = await sql(pool, "select outbox_id::text id from publisher.outbox");
  const sign: Scene["sign"] = (ack, key) => signed(ack, key, String(outbox?.["id"]));
  const ids = [...batched, inFlight];
  return { publisher, pool, brokerUrl: broker.url, stranger, keys, ids, inFlight, honest, sign };
}

/** Every column of every row, of the outbox and of its acks. */
async function fingerprint(pool: Pool): Promise<string> {
  const rows = [
    ...(await sql(pool, "select m::text line from publisher.message_delivery m order by 1")),
    ...(await sql(pool, "select a::text line from publisher.delivery_acknowledgment a order by 1")),
  ];
  return createHash("sha256")
    .update(rows.map(({ line }) => String(line)).join("\n"))
    .digest("hex");
}

/** All acks that an attacker can make from ids, tokens and checksums, without a key. */
function forgeries({ keys, honest, ids, sign }: Scene, at: number): string {
  const ack = honest(ids[at % ids.length] ?? "");
  const elsewhere = ackKeyPair();
  const rejected: Ack = { ...ack, status: "rejected", reason: "later", retryable: true, retry_after: 1 };
  const makers: readonly (() => string)[] = [
    () => "{}",
    () => '{"client_id":"acker"}',
    () => encodeAck(ack),
    () => encodeAck({ ...ack, signature: "hmac-sha256:00" }),
    () => encodeAck(sign(ack, "a guess of the secret")),
    () => encodeAck(sign(ack, elsewhere.privateKey)),
    () => encodeAck({ ...ack, signature: `v2:ed25519:${keys.publicKey.id}:${"A".repeat(86)}` }),
    // A signature of another message, and an honest ack turned into a rejection.
    () => encodeAck({ ...ack, signature: sign({ ...ack, message_id: randomUUID() }, SECRET).signature }),
    () => encodeAck({ ...sign(ack, SECRET), status: "rejected", reason: "no" }),
    () => encodeAck({ ...sign(ack, keys.privateKey), client_id: "me" }),
    // An honest ack of another topic, of other content, of another outbox, of version 1.
    () => encodeAck({ ...sign({ ...ack, topic: "data/x" }, SECRET), topic: "data/1" }),
    () => encodeAck({ ...sign({ ...ack, checksum: null }, keys.privateKey), checksum: ack.checksum }),
    () => encodeAck(signed(ack, SECRET, randomUUID())),
    () => encodeAck(signed(ack, keys.privateKey, null)),
    () => encodeAck(signed(ack, SECRET, null)),
    // Fields that the publisher acts on.
    () => encodeAck({ ...sign(rejected, SECRET), retryable: false }),
    () => encodeAck({ ...sign(rejected, keys.privateKey), retry_after: 86_400 }),
    () => encodeAck({ ...sign(rejected, SECRET), reason: "forged" }),
    () => encodeAck({ ...sign({ ...ack, status: "working", working_for: 2 }, SECRET), working_for: 86_400 }),
  ];
  return makers[at % makers.length]?.() ?? "";
}

test(`${FORGERIES} forged acks change 0 rows, and an honest one still counts`, async (t) => {
  const scene = await setScene(t);
  const { publisher, pool, stranger, ids, inFlight, honest, keys, sign } = scene;
  const before = await fingerprint(pool);
  const kinds = Array.from({ length: ids.length * 10 }, (_, at) => forgeries(scene, at));
  for (let i = 0; i < FORGERIES; i++) {
    await stranger.publish(`delivery/ack/${ids[i % ids.length]}`, kinds[i % kinds.length] ?? "", {
      qos: i % 50 === 0 ? 1 : 0,
    });
  }
  const counts = await until(
    async () => {
      const now = await publisher.acks();
      return (now["received"] ?? 0) >= FORGERIES && now;
    },
    60_000,
    "every forgery to be received",
  );
  assert.equal((counts["unsigned"] ?? 0) + (counts["unverified"] ?? 0), FORGERIES);
  assert.equal(counts["settled"], 0);
  assert.equal(await fingerprint(pool), before);

  const ack = honest(inFlight);
  await stranger.publish(`delivery/ack/${inFlight}`, encodeAck(sign(ack, keys.privateKey)));
  await until(async () => (await publisher.state(inFlight)) === "acknowledged", 5_000, "the honest ack to count");
});

test("a replayed ack repeats the first one: nothing changes again", async (t) => {
  const { publisher, pool, stranger, inFlight, honest, sign } = await setScene(t);
  const given = encodeAck(sign(honest(inFlight), SECRET));
  await stranger.publish(`delivery/ack/${inFlight}`, given);
  await until(async () => (await publisher.state(inFlight)) === "acknowledged", 5_000, "the ack to count");
  const before = await fingerprint(pool);
  for (let i = 0; i < 500; i++) await stranger.publish(`delivery/ack/${inFlight}`, given);
  await until(async () => ((await publisher.acks())["duplicate"] ?? 0) >= 500, 10_000, "the replays to be counted");
  assert.equal(await fingerprint(pool), before);
});

test("a retained ack is ignored, though it is signed", async (t) => {
  const { publisher, pool, stranger, ids, honest, sign } = await setScene(t);
  const [id = ""] = ids;
  assert.equal((await publisher.ask("POST", "/v1/link/disconnect", {})).status, 200);
  const before = await fingerprint(pool);
  await stranger.publish(`delivery/ack/${id}`, encodeAck(sign(honest(id), SECRET)), { retain: true });
  assert.equal((await publisher.ask("POST", "/v1/link/connect", {})).status, 200);
  await until(async () => (await publisher.acks())["retained"] === 1, 10_000, "the retained ack to be counted");
  assert.equal(await publisher.state(id), "pending");
  assert.equal(await fingerprint(pool), before);
});

test("an ack that the broker publishes as a client's will has no signature", async (t) => {
  const { publisher, pool, brokerUrl, ids } = await setScene(t);
  const [id = ""] = ids;
  const before = await fingerprint(pool);
  const client = await mqtt.connectAsync(brokerUrl, {
    protocolVersion: 4,
    reconnectPeriod: 0,
    will: { topic: `delivery/ack/${id}`, payload: Buffer.from('{"client_id":"acker"}'), qos: 1, retain: false },
  });
  client.stream.destroy();
  await until(async () => (await publisher.acks())["unsigned"] === 1, 10_000, "the will to be received");
  await client.endAsync(true);
  assert.equal(await fingerprint(pool), before);
});
