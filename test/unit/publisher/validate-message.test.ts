import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AcceptedMessage,
  type IntakeLimits,
  MAX_BATCH,
  MAX_CONTENT_BYTES,
  validateBatch,
  validateMessage,
} from "@acktor/publisher/intake/validate-message";
import { checksumOf } from "@acktor/shared/protocol/envelope";
import fc from "fast-check";

const DAY = 86_400_000;
const NOW = Date.parse("2026-06-01T00:00:00Z");
const LIMITS: IntakeLimits = {
  reserved: ["delivery/ack", "delivery/acker"],
  defaultTtlMs: null,
  defaultMaxRetries: null,
  defaultHoldMs: null,
  retentionMs: 7 * DAY,
  clock: { wallClock: () => NOW },
};

function accepted(body: unknown, key: string | null = null, limits = LIMITS): AcceptedMessage {
  const result = validateMessage(body, key, limits);
  if (!result.ok) throw new Error(result.fault.message);
  return result.value;
}

/** The fault's code and field. Asserts that the fault also has a sentence. */
function faultOf(body: unknown, key: string | null = null): string {
  const result = validateMessage(body, key, LIMITS);
  if (result.ok) return "accepted";
  assert.match(result.fault.message, /\S/);
  return `${result.fault.code} ${result.fault.field}`;
}

const good = { topic: "plant/1", content: "hello" };
const parsed = (json: string): unknown => JSON.parse(json);

const BAD: readonly (readonly [what: string, body: unknown, fault: string])[] = [
  ["no body", undefined, "invalid_field body"],
  ["null", null, "invalid_field body"],
  ["an array", [good], "invalid_field body"],
  ["a text", "hello", "invalid_field body"],
  ["no topic", { content: "x" }, "invalid_field topic"],
  ["a topic that is a number", { ...good, topic: 1 }, "invalid_field topic"],
  ["an empty topic", { ...good, topic: "" }, "invalid_topic topic"],
  ["a wildcard", { ...good, topic: "a/#" }, "invalid_topic topic"],
  ["a topic of the broker", { ...good, topic: "$SYS/x" }, "invalid_topic topic"],
  ["NUL in the topic", { ...good, topic: "a\u0000" }, "invalid_topic topic"],
  ["a lone surrogate in the topic", { ...good, topic: "a\ud800" }, "invalid_topic topic"],
  ["101 levels", { ...good, topic: "/".repeat(100) }, "invalid_topic topic"],
  ["the ack prefix", { ...good, topic: "delivery/ack/1" }, "reserved_topic topic"],
  ["the presence prefix", { ...good, topic: "delivery/acker/1" }, "reserved_topic topic"],
  ["no content", { topic: "a" }, "invalid_field content"],
  ["content that is null", { topic: "a", content: null }, "invalid_field content"],
  ["content that is an object", { topic: "a", content: {} }, "invalid_field content"],
  ["two contents", { ...good, content_base64: "" }, "invalid_field content"],
  ["NUL in the content", { ...good, content: "a\u0000" }, "invalid_field content"],
  ["a lone surrogate in the content", { ...good, content: "\udc00" }, "invalid_field content"],
  ["text that is not base64", { topic: "a", content_base64: "a-_=" }, "invalid_field content_base64"],
  ["base64 without its padding", { topic: "a", content_base64: "YQ" }, "invalid_field content_base64"],
  ["base64 with a line's end", { topic: "a", content_base64: "YWJj\n" }, "invalid_field content_base64"],
  ["an empty type", { ...good, content_type: "" }, "invalid_field content_type"],
  ["a type with a line's end", { ...good, content_type: "a\r\nb" }, "invalid_field content_type"],
  ["qos 3", { ...good, qos: 3 }, "invalid_field qos"],
  ["qos as text", { ...good, qos: "1" }, "invalid_field qos"],
  ["retain as text", { ...good, retain: "true" }, "invalid_field retain"],
  ["requires_ack as a number", { ...good, requires_ack: 0 }, "invalid_field requires_ack"],
  ["nothing that answers", { ...good, requires_ack: false, qos: 0 }, "invalid_field requires_ack"],
  ["a TTL of 0", { ...good, ttl_seconds: 0 }, "invalid_field ttl_seconds"],
  ["a negative TTL", { ...good, ttl_seconds: -1 }, "invalid_field ttl_seconds"],
  ["an endless TTL", parsed('{"topic":"a","content":"x","ttl_seconds":1e999}'), "invalid_field ttl_seconds"],
  ["a TTL beyond all measure", { ...good, ttl_seconds: 1e300 }, "invalid_field ttl_seconds"],
  ["a TTL beyond the retention", { ...good, ttl_seconds: 7 * 86_400 + 1 }, "invalid_field ttl_seconds"],
  ["negative retries", { ...good, max_retries: -1 }, "invalid_field max_retries"],
  ["half a retry", { ...good, max_retries: 1.5 }, "invalid_field max_retries"],
  ["retries beyond int4", { ...good, max_retries: 2 ** 31 }, "invalid_field max_retries"],
  ["an empty key", { ...good, ordering_key: "" }, "invalid_field ordering_key"],
  ["a key of 256 characters", { ...good, ordering_key: "k".repeat(256) }, "invalid_field ordering_key"],
  ["a key with NUL", { ...good, ordering_key: "a\u0000" }, "invalid_field ordering_key"],
  ["a time without a zone", { ...good, deliver_at: "2026-06-01T00:00:00" }, "invalid_field deliver_at"],
  ["a day that does not exist", { ...good, deliver_at: "2026-02-30T00:00:00Z" }, "invalid_field deliver_at"],
  ["a time as a number", { ...good, deliver_at: 1_700_000_000 }, "invalid_field deliver_at"],
  ["a time beyond the retention", { ...good, deliver_at: "2026-06-08T00:00:01Z" }, "invalid_field deliver_at"],
  ["a time for a key", { ...good, deliver_at: "2026-06-01T00:00:01Z", ordering_key: "k" }, "invalid_field deliver_at"],
  ["an unknown field", { ...good, qoss: 1 }, "unknown_field qoss"],
  ["__proto__", parsed('{"topic":"a","content":"x","__proto__":{"qos":2}}'), "unknown_field __proto__"],
  ["constructor", parsed('{"topic":"a","content":"x","constructor":1}'), "unknown_field constructor"],
  ["a key in the body of one message", { ...good, idempotency_key: "k" }, "unknown_field idempotency_key"],
];
for (const [what, body, fault] of BAD) {
  test(`${what}: ${fault}`, () => assert.equal(faultOf(body), fault));
  if (typeof body !== "object" || body === null || Array.isArray(body) || fault.includes("idempotency_key")) continue;
  test(`${what}, in a batch: its place is named`, () => {
    const result = validateBatch({ messages: [good, good, body] }, LIMITS);
    assert.equal(result.ok, false);
    const [code, field] = fault.split(" ");
    assert.equal(!result.ok && `${result.fault.code} ${result.fault.field}`, `${code} messages[2].${field}`);
  });
}

for (const key of ["", "k".repeat(256), "a\u0000", "a\nb", "\ud800"]) {
  test(`the Idempotency-Key ${JSON.stringify(key.slice(0, 5))} is refused by its header's name`, () => {
    assert.equal(faultOf(good, key), "invalid_field Idempotency-Key");
  });
}

test("what is left out has the tutorial's meaning", () => {
  assert.deepEqual(accepted(good), {
    topic: "plant/1",
    payload: "hello",
    contentEncoding: "utf8",
    contentType: null,
    qos: 1,
    retain: false,
    requiresAck: true,
    checksum: checksumOf("hello", "utf8"),
    orderingKey: null,
    maxRetries: null,
    ttlMs: null,
    holdMs: null,
    deliverAt: null,
    idempotency: null,
  });
});

test("a hold is of a copy that a broker can keep: the default does not apply to others, and asking for it is refused", () => {
  const limits = { ...LIMITS, defaultHoldMs: 900_000 };
  const holdOf = (more: object): number | null => accepted({ ...good, ...more }, null, limits).holdMs;
  assert.deepEqual([holdOf({}), holdOf({ hold_seconds: 0.5 }), holdOf({ hold_seconds: 0 })], [900_000, 500, null]);
  assert.deepEqual(
    [holdOf({ hold_seconds: null }), holdOf({ qos: 0 }), holdOf({ requires_ack: false })],
    [null, null, null],
  );
  for (const wrong of [
    { hold_seconds: 60, qos: 0 },
    { hold_seconds: 60, requires_ack: false },
    { hold_seconds: -1 },
    { hold_seconds: 2_678_401 },
  ]) {
    const refused = validateMessage({ ...good, ...wrong }, null, LIMITS);
    assert.equal(!refused.ok && refused.fault.field, "hold_seconds");
  }
});

test("the configuration's defaults replace missing fields; null retries mean no limit", () => {
  const limits = { ...LIMITS, defaultTtlMs: 3_600_000, defaultMaxRetries: 3 };
  assert.deepEqual([accepted(good, null, limits).ttlMs, accepted(good, null, limits).maxRetries], [3_600_000, 3]);
  const own = accepted({ ...good, ttl_seconds: 0.0015, max_retries: null }, null, limits);
  assert.deepEqual([own.ttlMs, own.maxRetries], [2, null]);
});

test("any text that is Unicode is a content, as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (content) => {
      fc.pre(!content.includes("\u0000"));
      assert.equal(accepted({ topic: "a", content }).payload, content);
    }),
  );
});

test("any bytes are a content by base64", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const message = accepted({ topic: "a", content_base64: Buffer.from(bytes).toString("base64") });
      assert.equal(message.contentEncoding, "base64");
      assert.deepEqual(new Uint8Array(Buffer.from(message.payload, "base64")), bytes);
    }),
  );
});

test("a content may have 262,144 bytes, and not one more; bytes are counted, not characters", () => {
  const half = MAX_CONTENT_BYTES / 2;
  const sizes = [
    [{ topic: "a", content: "x".repeat(MAX_CONTENT_BYTES) }, "accepted"],
    [{ topic: "a", content: "x".repeat(MAX_CONTENT_BYTES + 1) }, "too_large content"],
    [{ topic: "a", content: "ä".repeat(half) }, "accepted"],
    [{ topic: "a", content: `${"ä".repeat(half)}x` }, "too_large content"],
    [{ topic: "a", content_base64: Buffer.alloc(MAX_CONTENT_BYTES).toString("base64") }, "accepted"],
    [
      { topic: "a", content_base64: Buffer.alloc(MAX_CONTENT_BYTES + 1).toString("base64") },
      "too_large content_base64",
    ],
    [{ topic: "a", content_base64: Buffer.alloc(6 * 2 ** 20).toString("base64") }, "too_large content_base64"],
  ] as const;
  assert.equal(MAX_CONTENT_BYTES, 262_144);
  for (const [body, fault] of sizes) assert.equal(faultOf(body), fault);
});

// VALIDATE-1
test("any ISO 8601 time becomes one that PostgreSQL accepts, for the same moment", () => {
  const days = fc.date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date(NOW + 7 * DAY), noInvalidDate: true });
  const zone = fc.constantFrom("Z", "+00:00", "+14:00", "-12:00", "+23:59", "-23:59");
  fc.assert(
    fc.property(days, zone, fc.stringMatching(/^\d{0,200}$/), (day, offset, fraction) => {
      const written = `${day.toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}${offset}`;
      const result = validateMessage({ ...good, deliver_at: written }, null, LIMITS);
      if (!result.ok) {
        assert.ok(Date.parse(written) > NOW + 7 * DAY, `${written}: ${result.fault.message}`);
        return;
      }
      assert.match(result.value.deliverAt ?? "", /^(19|20)\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.equal(Date.parse(result.value.deliverAt ?? ""), Math.max(0, Date.parse(written)));
    }),
  );
});

test("a key's body hash is the same for any order of fields, and differs for any other value", () => {
  const hash = (body: unknown): string | undefined => accepted(body, "k").idempotency?.bodyHash;
  assert.equal(hash({ content: "hello", topic: "plant/1" }), hash(good));
  assert.equal(hash({ ...good, qos: 1, retain: false }), hash(good));
  for (const change of [{ content: "x" }, { topic: "b" }, { qos: 2 }, { ttl_seconds: 1 }, { ordering_key: "k" }]) {
    assert.notEqual(hash({ ...good, ...change }), hash(good), JSON.stringify(change));
  }
  assert.equal(accepted(good, "k").idempotency?.key, "k");
});

// VALIDATE-2
test("validation never throws, for any JSON", () => {
  const field = fc.constantFrom(...Object.keys(accepted(good)), "topic", "content", "deliver_at", "ttl_seconds", "qos");
  const body = fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue()), fc.array(fc.jsonValue()));
  fc.assert(
    fc.property(body, (value) => {
      for (const one of [value, { messages: value }, { messages: [value] }]) {
        const results = [validateMessage(one, null, LIMITS), validateBatch(one, LIMITS)];
        for (const result of results) assert.ok(result.ok || (result.fault.field ?? "") !== "", JSON.stringify(one));
      }
    }),
    { numRuns: 300 },
  );
});

const BAD_BATCHES: readonly (readonly [what: string, body: unknown, fault: string])[] = [
  ["no body", undefined, "invalid_field body"],
  ["an array", [good], "invalid_field body"],
  ["no messages", {}, "invalid_field messages"],
  ["messages that are no list", { messages: good }, "invalid_field messages"],
  ["an empty list", { messages: [] }, "invalid_field messages"],
  ["10,001 messages", { messages: Array.from({ length: MAX_BATCH + 1 }, () => good) }, "invalid_field messages"],
  ["a field next to the messages", { messages: [good], dry_run: true }, "unknown_field dry_run"],
  ["a message that is null", { messages: [good, null] }, "invalid_field messages[1]"],
  ["a message that is a text", { messages: ["x"] }, "invalid_field messages[0]"],
  ["an empty key", { messages: [{ ...good, idempotency_key: "" }] }, "invalid_field messages[0].idempotency_key"],
];
for (const [what, body, fault] of BAD_BATCHES) {
  test(`a batch with ${what}: ${fault}`, () => {
    const result = validateBatch(body, LIMITS);
    assert.equal(!result.ok && `${result.fault.code} ${result.fault.field}`, fault);
  });
}

test("a batch of 10,000 is taken, each with its own key", () => {
  const messages = Array.from({ length: MAX_BATCH }, (_, i) => ({ ...good, idempotency_key: `k${i}` }));
  const result = validateBatch({ messages }, LIMITS);
  assert.equal(result.ok && result.value.length, MAX_BATCH);
  assert.equal(result.ok && result.value[7]?.idempotency?.key, "k7");
});

test("the same message has the same body in a batch and alone", () => {
  const result = validateBatch({ messages: [{ ...good, idempotency_key: "k" }] }, LIMITS);
  assert.deepEqual(result.ok && result.value[0]?.idempotency, accepted(good, "k").idempotency);
});
