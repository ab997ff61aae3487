/** At the door: what is refused and how, idempotency keys, batches, the high-water mark, and configurations that cannot work. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { test } from "node:test";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { anyTopic, type ErrorAnswer, setStage } from "../support/pair.ts";
import { ROOT, run } from "../support/processes.ts";
import { until } from "../support/until.ts";

const TIMEOUT = { timeout: TEST_LIMIT_MS };
const KIB = 1_024;

/** Body (as sent), status, the field that is named, code. */
type Refusal = readonly [
  what: string,
  body: object | string | Buffer,
  status: number,
  field: string | undefined,
  code: string,
];

const ok = { topic: "e2e/door", content: "x" };
const with_ = (fields: object): object => ({ ...ok, ...fields });
const raw = (fields: string): string => `{"topic":"e2e/door","content":"x",${fields}}`;

const REFUSALS: readonly Refusal[] = [
  ["no JSON", '{"topic":', 400, undefined, "invalid_json"],
  ["nothing", "", 400, "topic", "invalid_field"],
  ["not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), 400, undefined, "invalid_json"],
  ["an array", "[]", 400, "body", "invalid_field"],
  ["null", "null", 400, "body", "invalid_field"],
  ["a text", '"x"', 400, "body", "invalid_field"],
  ["no topic", { content: "x" }, 400, "topic", "invalid_field"],
  ["no content", { topic: "e2e/door" }, 400, "content", "invalid_field"],
  ["two contents", with_({ content_base64: "eA==" }), 400, "content", "invalid_field"],
  ["a topic that is a number", with_({ topic: 7 }), 400, "topic", "invalid_field"],
  ["an empty topic", with_({ topic: "" }), 400, "topic", "invalid_topic"],
  ["a + wildcard", with_({ topic: "e2e/+/x" }), 400, "topic", "invalid_topic"],
  ["a # wildcard", with_({ topic: "e2e/#" }), 400, "topic", "invalid_topic"],
  ["a $ topic", with_({ topic: "$SYS/x" }), 400, "topic", "invalid_topic"],
  ["NUL in the topic", with_({ topic: "e2e/\u0000" }), 400, "topic", "invalid_topic"],
  ["a control character in the topic", with_({ topic: "e2e/\u001b" }), 400, "topic", "invalid_topic"],
  [
    "a lone surrogate in the topic",
    raw('"x":1').replace("e2e/door", "e2e/\\ud800").replace(',"x":1', ""),
    400,
    "topic",
    "invalid_topic",
  ],
  ["101 levels", with_({ topic: Array(101).fill("x").join("/") }), 400, "topic", "invalid_topic"],
  ["65,536 bytes of topic", with_({ topic: "x".repeat(65_536) }), 400, "topic", "invalid_topic"],
  ["the ack prefix", with_({ topic: "delivery/ack" }), 400, "topic", "reserved_topic"],
  ["an ack topic", with_({ topic: `delivery/ack/${randomUUID()}` }), 400, "topic", "reserved_topic"],
  ["a presence topic", with_({ topic: "delivery/acker/x" }), 400, "topic", "reserved_topic"],
  ["NUL in the content", with_({ content: "a\u0000b" }), 400, "content", "invalid_field"],
  ["a lone surrogate in the content", '{"topic":"e2e/door","content":"\\udc00"}', 400, "content", "invalid_field"],
  ["content that is an object", with_({ content: {} }), 400, "content", "invalid_field"],
  ["invalid base64", { topic: "e2e/door", content_base64: "x" }, 400, "content_base64", "invalid_field"],
  ["256 KiB and one byte", with_({ content: "x".repeat(256 * KIB + 1) }), 413, "content", "too_large"],
  [
    "the same in base64",
    { topic: "e2e/door", content_base64: Buffer.alloc(256 * KIB + 1).toString("base64") },
    413,
    "content_base64",
    "too_large",
  ],
  ["8 MiB of body", with_({ content: "x".repeat(9 * KIB * KIB) }), 413, undefined, "too_large"],
  ["a negative TTL", with_({ ttl_seconds: -1 }), 400, "ttl_seconds", "invalid_field"],
  ["a TTL of nothing", with_({ ttl_seconds: 0 }), 400, "ttl_seconds", "invalid_field"],
  ["a TTL that is a text", with_({ ttl_seconds: "1" }), 400, "ttl_seconds", "invalid_field"],
  ["a TTL beyond the retention", with_({ ttl_seconds: 1e9 }), 400, "ttl_seconds", "invalid_field"],
  ["a TTL beyond numbers", raw('"ttl_seconds":1e999'), 400, "ttl_seconds", "invalid_field"],
  ["QoS 3", with_({ qos: 3 }), 400, "qos", "invalid_field"],
  ["negative retries", with_({ max_retries: -1 }), 400, "max_retries", "invalid_field"],
  ["half a retry", with_({ max_retries: 0.5 }), 400, "max_retries", "invalid_field"],
  ["retain that is a text", with_({ retain: "true" }), 400, "retain", "invalid_field"],
  ["no ack at QoS 0", with_({ qos: 0, requires_ack: false }), 400, "requires_ack", "invalid_field"],
  ["an empty key", with_({ ordering_key: "" }), 400, "ordering_key", "invalid_field"],
  ["a key with NUL", with_({ ordering_key: "a\u0000" }), 400, "ordering_key", "invalid_field"],
  ["an invalid time", with_({ deliver_at: "tomorrow" }), 400, "deliver_at", "invalid_field"],
  [
    "a time and a key",
    with_({ deliver_at: "2099-01-01T00:00:00Z", ordering_key: "k" }),
    400,
    "deliver_at",
    "invalid_field",
  ],
  ["a time too far away", with_({ deliver_at: "2999-01-01T00:00:00Z" }), 400, "deliver_at", "invalid_field"],
  ["an unknown field", with_({ payload: "x" }), 400, "payload", "unknown_field"],
  ["__proto__", raw('"__proto__":{"qos":2}'), 400, "__proto__", "unknown_field"],
  ["constructor", raw('"constructor":{"prototype":{}}'), 400, "constructor", "unknown_field"],
];

test("what cannot be delivered is refused at the door, by name", TIMEOUT, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  for (const [what, body, status, field, code] of REFUSALS) {
    await t.test(what, async () => {
      const reply = await publisher.request("/v1/messages", body);
      const error = reply.json["error"] as ErrorAnswer | undefined;
      assert.deepEqual([reply.status, error?.field, error?.code], [status, field, code], JSON.stringify(reply.json));
      assert.deepEqual(Object.keys(reply.json), ["error"]);
      assert.ok(error !== undefined && error.message.length > 0 && error.fix.length > 0);
    });
  }
  await t.test("in a batch, by place; all or nothing", async () => {
    const messages = [ok, ok, with_({ topic: "a/#" })];
    const reply = await publisher.request("/v1/messages/batch", { messages });
    assert.deepEqual([reply.status, (reply.json["error"] as ErrorAnswer).field], [400, "messages[2].topic"]);
    const many = await publisher.request("/v1/messages/batch", { messages: Array(10_001).fill(ok) });
    assert.deepEqual([many.status, (many.json["error"] as ErrorAnswer).field], [400, "messages"]);
    const none = await publisher.request("/v1/messages/batch", { messages: [] });
    assert.deepEqual([none.status, (none.json["error"] as ErrorAnswer).field], [400, "messages"]);
    const proto = await publisher.request(
      "/v1/messages/batch",
      '{"messages":[{"topic":"x","content":"y","__proto__":1}]}',
    );
    assert.deepEqual([proto.status, (proto.json["error"] as ErrorAnswer).field], [400, "messages[0].__proto__"]);
  });
  await t.test("other routes and types have the same form", async () => {
    const type = await publisher.request("/v1/messages", "topic=x", { "content-type": "text/plain" });
    assert.deepEqual([type.status, (type.json["error"] as ErrorAnswer).code], [415, "unsupported_media_type"]);
    for (const [route, status] of [
      ["/v1/nothing", 404],
      [`/v1/messages/${randomUUID()}/cancel`, 404],
      ["/v1/messages/x/replay", 404],
    ] as const) {
      const reply = await publisher.request(route, {});
      assert.deepEqual([reply.status, (reply.json["error"] as ErrorAnswer).code], [status, "not_found"]);
    }
    for (const query of ["state=lost", "limit=0", "limit=x", "before=x", "order=asc"]) {
      const reply = await fetch(`${publisher.url}/v1/messages?${query}`);
      const { error } = (await reply.json()) as { error: ErrorAnswer };
      assert.deepEqual([reply.status, error.field], [400, query.split("=")[0]]);
    }
  });
  assert.deepEqual(await stage.sql("select from publisher.message_delivery"), [], "no row was stored");
  assert.deepEqual(await stage.sql("select from publisher.idempotency"), []);
});

test("what is unusual and right is taken", TIMEOUT, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const topic = anyTopic();
  const accepted = await Promise.all(
    [
      { content: "" },
      { content: "ünïcode 🚀 \u0001\u001b" },
      { content: "x".repeat(256 * KIB) },
      { content: "\u0001".repeat(256 * KIB) },
      { content_base64: Buffer.alloc(256 * KIB, 0).toString("base64") },
      { content_base64: "" },
      { content: '{"message_id":"mine"}', content_type: "application/json" },
      { content: "qos 0", qos: 0 },
      { content: "qos 2", qos: 2 },
      { content: "key", ordering_key: "k".repeat(255) },
      { content: "nulls", ttl_seconds: null, max_retries: null, ordering_key: null, deliver_at: null },
      { content: "soon", deliver_at: new Date(Date.now() + 300).toISOString() },
      { content: "past", deliver_at: "2020-01-01T00:00:00+02:00" },
    ].map((fields) => publisher.send({ topic, ...fields })),
  );
  accepted.push(await publisher.send({ topic: `e2e/${"l/".repeat(98)}z`, content: "100 levels" }));
  await stage.assertDelivered({ accepted });
});

test("an Idempotency-Key makes one message of many requests", TIMEOUT, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const topic = anyTopic();
  const key = { "idempotency-key": randomUUID() };
  const body = { topic, content: "once", qos: 1 };
  const answers = await Promise.all(Array.from({ length: 20 }, () => publisher.post(body, key)));
  const ids = new Set(answers.map((answer) => (answer.kind === "accepted" ? answer.id : JSON.stringify(answer))));
  assert.equal(ids.size, 1, [...ids].join("\n"));
  const fresh = answers.filter((answer) => answer.kind === "accepted" && answer.status === 201);
  assert.equal(fresh.length, 1, "one 201, the others 200");
  const reordered = await publisher.post({ qos: 1, content: "once", topic }, key);
  assert.deepEqual([reordered.kind, reordered.status], ["accepted", 200], "the order of fields does not matter");
  const other = await publisher.post({ ...body, content: "twice" }, key);
  assert.deepEqual(
    [other.kind, other.status, other.kind === "refused" && other.error.code],
    ["refused", 409, "idempotency_conflict"],
  );

  const inBatch = randomUUID();
  const item = { topic, content: "in a batch", idempotency_key: inBatch };
  const first = await publisher.request("/v1/messages/batch", { messages: [item, item, { topic, content: "beside" }] });
  assert.equal(first.status, 201, JSON.stringify(first.json));
  const [a, b, c] = first.json["message_ids"] as string[];
  assert.equal(a, b);
  const second = await publisher.request("/v1/messages/batch", { messages: [item] });
  assert.deepEqual(second.json["message_ids"], [a]);
  const clash = await publisher.request("/v1/messages/batch", {
    messages: [
      { topic, content: "not stored" },
      { ...item, content: "other" },
    ],
  });
  assert.deepEqual([clash.status, (clash.json["error"] as ErrorAnswer).field], [409, "messages[1].idempotency_key"]);
  await stage.assertDelivered({ accepted: [...ids, a ?? "", c ?? ""] });
  assert.equal((await stage.sql("select from publisher.message_delivery")).length, 3);
});

test("at the high-water mark intake answers 429, and takes again when it has fallen", TIMEOUT, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher({ ACKTOR_HIGH_WATER: "50" });
  const topic = anyTopic();
  const answers = [];
  for (let n = 0; n < 80; n++) answers.push(await publisher.post({ topic, content: `${n}` }));
  const accepted = answers.flatMap((answer) => (answer.kind === "accepted" ? [answer.id] : []));
  const refused = answers.filter((answer) => answer.kind === "refused");
  // Counted once a second, and what was accepted since is added: what falls between the two may count twice.
  assert.ok(accepted.length > 40 && accepted.length <= 50, `${accepted.length} accepted, ${refused.length} refused`);
  for (const { status, error, headers } of refused) {
    assert.deepEqual([status, error.code], [429, "high_water"]);
    assert.ok(Number(headers.get("retry-after")) > 0, "Retry-After");
  }
  await stage.acker();
  await stage.assertDelivered({ accepted });
  await until(
    async () => (await publisher.post({ topic, content: "again" })).kind === "accepted",
    5_000,
    "intake to open again",
  );
});

test("a configuration that cannot work: every fault at once, exit 2", TIMEOUT, async (t) => {
  const faulty = {
    DATABASE_URL: "mysql://x",
    MQTT_URL: "http://127.0.0.1",
    HTTP_PORT: "70000",
    HTTP_HOST: "0.0.0.0",
    LOG_LEVEL: "loud",
    ACKTOR_HIGHWATER: "1",
    ACKTOR_DEFAULT_TTL: "soon",
    ACKTOR_API_TOKEN: "hunter2-secret",
    ACKTOR_ACK_PREFIX: "a/#",
    ACKTOR_ACK_SECRET_FILE: "/does/not/exist",
    MQTT_PASSWORD: "hunter2",
    MQTT_PASSWORD_FILE: "/does/not/exist",
  };
  for (const name of ["publisher", "acker"] as const) {
    const program = path.join(ROOT, "services", name, "dist/main.js");
    const process = run(t, globalThis.process.execPath, [program], { env: faulty });
    assert.deepEqual(await process.exited, { code: 2, signal: null }, process.output());
    const said = process.output();
    const expected = [
      "DATABASE_URL",
      "MQTT_URL",
      "HTTP_PORT",
      "LOG_LEVEL",
      "ACKTOR_HIGHWATER",
      "ACKTOR_API_TOKEN",
      "ACKTOR_ACK_PREFIX",
      "ACKTOR_ACK_SECRET_FILE",
    ];
    if (name === "acker") expected.push("ACKTOR_TOPICS");
    else expected.push("ACKTOR_DEFAULT_TTL");
    for (const variable of expected) assert.ok(said.includes(variable), `${name} does not name ${variable}:\n${said}`);
    assert.match(said, /Did you mean ACKTOR_HIGH_WATER\?/);
    assert.match(said, /MQTT_PASSWORD and MQTT_PASSWORD_FILE are both set/);
    assert.ok(!said.includes("hunter2"), "a secret was printed");
  }
});
