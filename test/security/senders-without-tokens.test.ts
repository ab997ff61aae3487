/**
 * Senders in the tutorial's form treat any message on their ack topic as success. The acker sends them `processed` or no ack:
 * a rejection would make them drop a message whose webhook was never called.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { plainClient, testAcker, testBroker } from "../support/acker.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { webhookServer } from "../support/webhook-server.ts";

/** What the tutorial's sender publishes. */
function tutorialEnvelope(id: string, content: string): object {
  return { message_id: id, content, timestamp: 1, requires_ack: true, ack_topic: `delivery/ack/${id}`, retry_count: 0 };
}

const CASES = [
  { what: "a webhook that refuses permanently", content: "x", status: 422 },
  { what: "a webhook that fails", content: "x", status: 500 },
  { what: "a webhook that is slow", content: "x", status: null },
  { what: "content that cannot be stored", content: "a\u0000b", status: 204 },
  { what: "invalid base64", content: "?", status: 204, over: { content_encoding: "base64" } },
  { what: "a checksum that is wrong", content: "x", status: 204, over: { checksum: `sha256:${"0".repeat(64)}` } },
];

test("a sender without attempt tokens never receives a rejection", async (t) => {
  const [database, broker, webhook] = await Promise.all([testDatabase(t), testBroker(t), webhookServer(t)]);
  const acker = await testAcker(t, {
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    ACKTOR_HANDLER: "webhook",
    ACKTOR_WEBHOOK_URL: `http://127.0.0.1:${webhook.port}/`,
    ACKTOR_WEBHOOK_HOSTS: "127.0.0.1",
  });
  const client = await plainClient(t, broker.url, ["delivery/ack/+"]);
  for (const { what, content, status, over = {} } of CASES) {
    webhook.answer = (_got, response) => {
      if (status !== null) response.writeHead(status).end();
    };
    const withheld = (await acker.status()).acks["withheld"] ?? 0;
    const id = randomUUID();
    await client.send("data/a", { ...tutorialEnvelope(id, content), ...over });
    await until(async () => ((await acker.status()).acks["withheld"] ?? 0) > withheld, 15_000, `${what}: silence`);
    assert.deepEqual(
      client.on(`delivery/ack/${id}`).map(({ text }) => text),
      [],
      what,
    );
  }
  webhook.answer = (_got, response) => void response.writeHead(204).end();
  const id = randomUUID();
  await client.send("data/a", tutorialEnvelope(id, "x"));
  assert.equal((await client.hears(`delivery/ack/${id}`))["status"], "processed");
});

test("the same envelope twice with other content under its id: silence for the second", async (t) => {
  const [database, broker] = await Promise.all([testDatabase(t), testBroker(t)]);
  const acker = await testAcker(t, { DATABASE_URL: database.url, MQTT_URL: broker.url });
  const client = await plainClient(t, broker.url, ["delivery/ack/+"]);
  const id = randomUUID();
  await client.send("data/a", tutorialEnvelope(id, "one"));
  await client.hears(`delivery/ack/${id}`);
  await client.send("data/a", tutorialEnvelope(id, "two"));
  await until(async () => (await acker.status()).acks["withheld"] === 1, 5_000, "the conflict to be withheld");
  assert.equal(client.on(`delivery/ack/${id}`).length, 1);
});
