/** The acker over MQTT: what it answers, on which topic, and when it answers nothing. */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";
import { decodeAck } from "@acktor/shared/protocol/ack";
import { plainClient, sql, testAcker, testBroker, testPool } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { OUTBOX, sealed, trustOf } from "../support/proof.ts";
import { until } from "../support/until.ts";

const checksum = (content: string): string => `sha256:${createHash("sha256").update(content).digest("hex")}`;

async function setUp(t: Parameters<typeof testBroker>[0], env: Record<string, string> = {}) {
  const [broker, database] = await Promise.all([testBroker(t), testDatabase(t)]);
  const acker = await testAcker(t, { DATABASE_URL: database.url, MQTT_URL: broker.url, ...env });
  const client = await plainClient(t, broker.url);
  return { broker, database, acker, client, pool: testPool(t, database.url) };
}

test("the tutorial's envelope gets its ack, and a duplicate gets it again without a second effect", async (t) => {
  const { client, pool, acker } = await setUp(t);
  const id = "a1b2c3d4e5f60718";
  const ackTopic = `delivery/ack/${id}`;
  const envelope = { message_id: id, content: "x", timestamp: 1, requires_ack: true, ack_topic: ackTopic };
  await client.send("data/a", envelope);
  const ack = await client.hears(ackTopic);
  assert.equal(ack["status"], "processed");
  assert.match(String(ack["client_id"]), /^acktoracker[0-9a-f]{12}$/);
  assert.equal(ack["checksum"], checksum("x"));
  await client.send("data/a", envelope);
  assert.equal((await client.hears(ackTopic, 2))["status"], "processed");
  const rows = await sql(pool, "select external_id, topic, content, deliveries, status from acker.inbox");
  assert.deepEqual(rows, [{ external_id: id, topic: "data/a", content: "x", deliveries: 2, status: "processed" }]);
  assert.deepEqual(
    client.on(ackTopic).map((heard) => heard.retain),
    [false, false],
  );
  const { messages } = await acker.status();
  assert.equal(messages["first"], 1);
  assert.equal(messages["duplicate"], 1);
});

test("an id in upper case is the same message; its ack keeps the id as given", async (t) => {
  const { client, pool } = await setUp(t);
  const id = randomUUID();
  await client.send("data/a", { message_id: id, content: "x" });
  await client.hears(`delivery/ack/${id}`);
  const upper = id.toUpperCase();
  await client.send("data/a", { message_id: upper, content: "x" });
  assert.equal((await client.hears(`delivery/ack/${upper}`))["message_id"], upper);
  assert.deepEqual(await sql(pool, "select message_id, deliveries from acker.inbox"), [
    { message_id: id, deliveries: 2 },
  ]);
});

test("malformed things change nothing and are said once a kind", async (t) => {
  const { client, pool, acker } = await setUp(t);
  const id = randomUUID();
  await client.send("data/a", "\u0001not json");
  await client.send("data/a", "again not json");
  await client.send("data/a", "[1]");
  await client.send("data/a", { message_id: "a/b", content: "x" });
  await client.send("data/a", { message_id: id, content: "x", ack_topic: "commands/open-the-door" });
  await client.send("data/a", { message_id: id, content: "x", ack_topic: `delivery/acker/${id}` });
  await client.send("data/a", Buffer.from([0xff, 0xfe]));
  await client.send("data/a", { message_id: "last", content: "x" });
  await client.hears("delivery/ack/last");
  assert.equal((await sql(pool, "select 1 from acker.inbox")).length, 1);
  assert.equal((await acker.status()).messages["malformed"], 7);
  const said = acker.log.filter((line) => line["kind"] === "malformed").map((line) => line["reason"]);
  assert.equal(new Set(said).size, said.length);
  assert.equal(said.filter((reason) => reason === "is not JSON").length, 1);
  assert.deepEqual(client.on("commands/open-the-door"), []);
});

test("a corrupt message is refused with the hope of a better copy, under the attempt that brought it", async (t) => {
  const { client, pool } = await setUp(t);
  const id = randomUUID();
  const envelope = { message_id: id, content: "damaged", checksum: checksum("whole"), attempt_token: "7" };
  await client.send("data/a", envelope);
  const ack = await client.hears(`delivery/ack/${id}`);
  assert.deepEqual(
    [ack["status"], ack["retryable"], ack["attempt_token"], ack["checksum"]],
    ["rejected", true, "7", undefined],
  );
  assert.equal((await sql(pool, "select 1 from acker.inbox")).length, 0);
  await client.send("data/a", { ...envelope, content: "whole", attempt_token: "8" });
  assert.equal((await client.hears(`delivery/ack/${id}`, 2))["status"], "processed");
});

test("a message that cannot be stored is rejected, retryable without proof of its sender; the others of its batch are processed", async (t) => {
  const { client, pool, acker } = await setUp(t);
  const ids = Array.from({ length: 40 }, () => randomUUID());
  const poison = ids[17] ?? "";
  const surrogate = randomUUID();
  await Promise.all([
    ...ids.map((id) => {
      return client.send("data/a", {
        message_id: id,
        content: id === poison ? "nul \u0000" : "fine",
        attempt_token: "1",
      });
    }),
    client.send("data/a", `{"message_id":"${surrogate}","content":"\\ud800","attempt_token":"1"}`),
  ]);
  for (const id of ids) {
    const ack = await client.hears(`delivery/ack/${id}`);
    assert.equal(ack["status"], id === poison ? "rejected" : "processed");
    if (id !== poison) continue;
    assert.deepEqual([ack["retryable"], ack["checksum"]], [true, checksum("nul \u0000")]);
    assert.match(String(ack["reason"]), /content contains U\+0000, .* base64/);
  }
  assert.equal((await client.hears(`delivery/ack/${surrogate}`))["retryable"], true);
  assert.equal((await sql(pool, "select 1 from acker.inbox")).length, 39);
  assert.equal((await acker.status()).messages["unusable"], 2);
});

test("other content under a known id is refused and leaves the effect alone", async (t) => {
  const { client, pool, acker } = await setUp(t);
  const id = randomUUID();
  await client.send("data/a", { message_id: id, content: "first" });
  await client.hears(`delivery/ack/${id}`);
  await client.send("data/a", { message_id: id, content: "second", attempt_token: "2" });
  const ack = await client.hears(`delivery/ack/${id}`, 2);
  assert.deepEqual([ack["status"], ack["retryable"], ack["reason"]], ["rejected", false, "same id, other content"]);
  assert.deepEqual(await sql(pool, "select content, deliveries from acker.inbox"), [
    { content: "first", deliveries: 1 },
  ]);
  assert.equal((await acker.status()).messages["conflict"], 1);
});

test("expired messages have no effect; without requires_ack there is an effect and no ack", async (t) => {
  const { client, pool, acker } = await setUp(t);
  const quiet = randomUUID();
  await client.send("data/a", { message_id: randomUUID(), content: "x", expires_in: 0 });
  await client.send("data/a", { message_id: randomUUID(), content: "x", expires_in: -3.5 });
  await client.send("data/a", { message_id: quiet, content: "x", requires_ack: false });
  await client.send("data/a", { message_id: "last", content: "x" });
  await client.hears("delivery/ack/last");
  assert.deepEqual(await sql(pool, "select message_id from acker.inbox where external_id is null"), [
    { message_id: quiet },
  ]);
  assert.deepEqual(client.on(`delivery/ack/${quiet}`), []);
  assert.equal((await acker.status()).messages["expired"], 2);
});

test("a foreign ack prefix is honoured when it ends in the id", async (t) => {
  const { client } = await setUp(t);
  const id = randomUUID();
  await client.send("data/a", { message_id: id, content: "x", ack_topic: `other/outbox/${id}` });
  assert.equal((await client.hears(`other/outbox/${id}`))["message_id"], id);
});

// VERIFY-3
test("with a secret only signed messages are processed, and their acks are signed", async (t) => {
  const secret = "0123456789abcdef-secret";
  const { client, acker } = await setUp(t, { ACKTOR_ACK_SECRET: secret });
  const id = randomUUID();
  const plain = { message_id: id, content: "x", attempt_token: "3", checksum: checksum("x") };
  await client.send("data/a", plain);
  await until(
    async () => (await acker.status()).messages["unauthenticated"] === 1,
    5_000,
    "the plain one to be counted",
  );
  const envelope = sealed({ ...plain, topic: "data/a" }, secret);
  await client.send("data/a", envelope);
  await client.hears(`delivery/ack/${id}`);
  const sightings = client.on(`delivery/ack/${id}`);
  const decoded = decodeAck(id, Buffer.from(sightings[0]?.text ?? ""));
  assert.ok(decoded.kind === "ack" && sightings.length === 1);
  const trust = trustOf({ secrets: [secret] });
  assert.deepEqual([decoded.ack.topic, trust.judge(decoded.ack, OUTBOX).kind], ["data/a", "signed"]);
  assert.equal(trust.judge({ ...decoded.ack, status: "rejected" }, OUTBOX).kind, "unsigned");
});

test("version 1, where it is configured: plain messages are processed, and their acks have signatures of version 1", async (t) => {
  const secret = "0123456789abcdef-secret";
  const { client, acker } = await setUp(t, { ACKTOR_ACK_SECRET: secret, ACKTOR_ACK_SIGNATURES: "1,2" });
  const warnings = acker.log.filter(({ level, msg }) => level === "warn" && /accepts version 1/.test(String(msg)));
  assert.equal(warnings.length, 1);
  const id = randomUUID();
  await client.send("data/a", { message_id: id, content: "x", attempt_token: "3" });
  await client.hears(`delivery/ack/${id}`);
  const decoded = decodeAck(id, Buffer.from(client.on(`delivery/ack/${id}`)[0]?.text ?? ""));
  assert.ok(decoded.kind === "ack");
  assert.equal(trustOf({ secrets: [secret], versions: ["1", "2"] }).judge(decoded.ack, OUTBOX).kind, "signed");
  assert.equal(trustOf({ secrets: [secret] }).judge(decoded.ack, OUTBOX).kind, "unsigned");
});

test("overlapping filters bring a message twice and count it once", async (t) => {
  const { client, pool } = await setUp(t, { ACKTOR_TOPICS: "data/#,data/+/b" });
  const id = randomUUID();
  await client.send("data/a/b", { message_id: id, content: "x" });
  await client.hears(`delivery/ack/${id}`);
  await client.send("data/x", { message_id: "last", content: "x" });
  await client.hears("delivery/ack/last");
  const [row] = await sql(pool, "select deliveries, status from acker.inbox where external_id is null");
  assert.equal(row?.["status"], "processed");
});

test("presence: a birth at connection, nothing after a clean stop", async (t) => {
  const { client, acker, broker } = await setUp(t);
  const birth = JSON.parse((await until(() => client.on("delivery/acker/acker-1")[0], 3_000)).text) as Record<
    string,
    unknown
  >;
  assert.deepEqual([birth["instance"], birth["status"], birth["filters"]], ["acker-1", "online", ["data/#"]]);
  await acker.running.stop();
  const late = await plainClient(t, broker.url, ["delivery/acker/+", "probe"]);
  await late.send("probe", "x");
  await until(() => late.on("probe")[0], 3_000);
  assert.deepEqual(late.on("delivery/acker/acker-1"), []);
});

test("a pause takes nothing and withdraws; a resume continues", async (t) => {
  const { client, acker, pool } = await setUp(t);
  await until(() => client.on("delivery/acker/acker-1")[0], 3_000);
  acker.running.pause();
  await until(() => client.on("delivery/acker/acker-1")[1]?.text === "", 3_000);
  await client.send("data/a", { message_id: "paused", content: "x" });
  acker.running.resume();
  await until(() => client.on("delivery/acker/acker-1")[2], 3_000);
  await client.send("data/a", { message_id: "resumed", content: "x" });
  await client.hears("delivery/ack/resumed");
  assert.deepEqual(await sql(pool, "select external_id from acker.inbox"), [{ external_id: "resumed" }]);
});
