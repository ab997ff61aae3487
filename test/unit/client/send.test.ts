/** Messages by HTTP: what is sent, what is tried again, what a handle says, against an endpoint that answers as told. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createClient } from "@acktor/shared/client";
import { anyPort } from "../../support/ports.ts";
import { webhookServer } from "../../support/webhook-server.ts";

type Answer = [status: number, body: object | string, headers?: Record<string, string>];

async function publisher(t: TestContext, ...answers: Answer[]) {
  const server = await webhookServer(t);
  server.answer = (_got, response) => {
    const [status, body, headers = {}] = answers.shift() ?? [500, "no answer is left"];
    response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const client = createClient({
    url: `http://127.0.0.1:${server.port}`,
    token: "secret",
    random: { next: () => 0.01 },
  });
  return { server, client, answers };
}

const CREATED: Answer = [201, { message_id: "m1", state: "pending" }];
const fault = (code: string, field?: string): object => ({
  error: { code, message: `about ${code}`, field, fix: "…" },
});

test("CLIENT-1, HTTP_CALL-2: every field, the token, and one idempotency key for all tries", async (t) => {
  const { server, client } = await publisher(t, [503, fault("database_unavailable")], [429, fault("full")], CREATED);
  const deliverAt = new Date("2026-01-31T12:00:00Z");
  const sent = await client.send({
    topic: "a/b",
    content: Uint8Array.of(0, 255),
    contentType: "t",
    qos: 2,
    retain: true,
    requiresAck: false,
    ttlSeconds: 1.5,
    maxRetries: 0,
    holdSeconds: 0,
    deliverAt,
  });
  assert.ok(sent.ok && sent.handle.messageId === "m1");
  const keys = server.got.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.equal(server.got[0]?.headers.authorization, "Bearer secret");
  assert.deepEqual(JSON.parse(String(server.got[2]?.body)), {
    topic: "a/b",
    content_base64: "AP8=",
    content_type: "t",
    qos: 2,
    retain: true,
    requires_ack: false,
    ttl_seconds: 1.5,
    max_retries: 0,
    hold_seconds: 0,
    deliver_at: "2026-01-31T12:00:00.000Z",
  });
});

test("two sends have two keys; a given one is kept", async (t) => {
  const { server, client } = await publisher(t, CREATED, CREATED, CREATED);
  await client.send({ topic: "a", content: "x" });
  await client.send({ topic: "a", content: "x" });
  await client.send({ topic: "a", content: "x" }, { idempotencyKey: "order-17" });
  const keys = server.got.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(new Set(keys).size, 3);
  assert.equal(keys[2], "order-17");
});

test("a refusal is returned immediately, with its field", async (t) => {
  const { server, client } = await publisher(t, [400, fault("invalid_field", "topic")]);
  const sent = await client.send({ topic: "#", content: "x" });
  assert.ok(!sent.ok);
  assert.deepEqual(sent.failure, {
    kind: "refused",
    status: 400,
    code: "invalid_field",
    message: "about invalid_field",
    field: "topic",
  });
  assert.equal(server.got.length, 1);
});

test("HTTP_CALL-1: without a publisher: unavailable within the time, with the key for a retry", async () => {
  const client = createClient({ url: `http://127.0.0.1:${await anyPort()}` });
  const startedAt = performance.now();
  const sent = await client.send({ topic: "a", content: "x" }, { timeoutMs: 300, idempotencyKey: "k" });
  assert.ok(!sent.ok && sent.failure.kind === "unavailable" && sent.idempotencyKey === "k");
  assert.ok(performance.now() - startedAt < 3_000);
});

test("HTTP_CALL-2: a retry waits for Retry-After, and not beyond its deadline", async (t) => {
  const { client, server } = await publisher(t, [429, fault("full"), { "retry-after": "60" }], CREATED);
  const sent = await client.send({ topic: "a", content: "x" }, { timeoutMs: 2_000 });
  assert.ok(!sent.ok && sent.failure.kind === "unavailable" && sent.failure.message === "about full");
  assert.equal(server.got.length, 1);
});

test("a publisher that answers nonsense, or hangs, throws nothing", async (t) => {
  const { client, server } = await publisher(t, [400, "<html>"]);
  const sent = await client.send({ topic: "a", content: "x" });
  assert.ok(!sent.ok && sent.failure.kind === "refused" && sent.failure.message === "HTTP 400");
  server.answer = () => undefined;
  const hung = await client.send({ topic: "a", content: "x" }, { timeoutMs: 250 });
  assert.ok(!hung.ok && hung.failure.kind === "unavailable");
});

test("acknowledged: looks until the message is decided", async (t) => {
  const look = (state: string, over: object = {}): Answer => [
    200,
    { state, retry_count: 2, reason: null, acks: [], ...over },
  ];
  const { client, answers } = await publisher(
    t,
    look("pending"),
    [503, fault("database_unavailable")],
    look("sent"),
    look("acknowledged", { acks: [{ client_id: "line-3" }] }),
  );
  const handle = client.message("m1");
  assert.deepEqual(await handle.acknowledged({ timeoutMs: 5_000 }), { kind: "acknowledged", by: "line-3" });
  answers.push(look("failed", { reason: "max_retries" }), look("expired"), [404, fault("not_found")]);
  assert.deepEqual(await handle.acknowledged(), { kind: "failed", reason: "max_retries" });
  assert.deepEqual(await handle.acknowledged(), { kind: "expired", reason: "expired" });
  const unknown = await handle.acknowledged();
  assert.ok(unknown.kind === "unknown" && unknown.failure.kind === "refused");
  for (let i = 0; i < 100; i++) answers.push(look("sent"));
  const late = await handle.acknowledged({ timeoutMs: 200 });
  assert.deepEqual(late, {
    kind: "timeout",
    last: { state: "sent", retryCount: 2, reason: null, acknowledgedBy: null },
  });
  const status = await handle.status();
  assert.ok(status.ok && status.status.state === "sent");
});
