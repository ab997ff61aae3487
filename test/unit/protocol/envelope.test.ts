import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  checksumOf,
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  parseObject,
} from "@acktor/shared/protocol/envelope";
import fc from "fast-check";

const text = fc.string({ unit: "grapheme" });
const content = fc.oneof(
  text.map((value) => ({ content: value, content_encoding: "utf8" as const })),
  fc.uint8Array().map((bytes) => {
    return { content: Buffer.from(bytes).toString("base64"), content_encoding: "base64" as const };
  }),
);
const seconds = fc.double({ min: 0, max: 4e9, noNaN: true }).map((value) => value + 0);

const envelope: fc.Arbitrary<Envelope> = fc
  .record({
    message_id: fc.uuid(),
    body: content,
    timestamp: seconds,
    requires_ack: fc.boolean(),
    ack_topic: text,
    retry_count: fc.nat(),
    with_checksum: fc.boolean(),
    content_type: fc.option(text),
    ordering_key: fc.option(text),
    attempt_token: fc.option(fc.nat().map(String)),
    expires_in: fc.option(seconds),
    traceparent: fc.option(text),
    topic: fc.option(text),
    outbox: fc.option(text),
    signature: fc.option(text),
  })
  .map(({ body, with_checksum, ...rest }) => {
    return { ...rest, ...body, checksum: with_checksum ? checksumOf(body.content, body.content_encoding) : null };
  });

// ENVELOPE-1
test("decoding an encoded envelope gives the same envelope", () => {
  fc.assert(
    fc.property(envelope, (e) => {
      assert.deepEqual(decodeEnvelope(Buffer.from(encodeEnvelope(e))), { kind: "envelope", envelope: e });
    }),
  );
});

test("fields that are null do not travel", () => {
  const wire = JSON.parse(encodeEnvelope({ ...plain(), content_type: "a/b" })) as object;
  assert.deepEqual(Object.keys(wire), [
    "message_id",
    "content",
    "timestamp",
    "requires_ack",
    "ack_topic",
    "retry_count",
    "checksum",
    "content_encoding",
    "content_type",
  ]);
});

// ENVELOPE-3
test("content that was altered in transit is corrupt, and its message is named", () => {
  fc.assert(
    fc.property(envelope, text, (e, other) => {
      fc.pre(other !== e.content && e.content_encoding === "utf8");
      const altered = { ...e, checksum: checksumOf(e.content, "utf8"), content: other };
      const decoded = decodeEnvelope(Buffer.from(encodeEnvelope(altered)));
      assert.equal(decoded.kind, "corrupt");
      assert.equal(decoded.kind === "corrupt" && decoded.envelope.message_id, e.message_id);
    }),
  );
});

// ENVELOPE-4
test("the tutorial's envelope is enough, and so are its id and its content", () => {
  const full = { message_id: "m1", content: "hello", timestamp: 1.5, requires_ack: true, ack_topic: "delivery/ack/m1" };
  const decoded = decodeEnvelope(Buffer.from(JSON.stringify({ ...full, retry_count: 2 })));
  assert.deepEqual(decoded, { kind: "envelope", envelope: { ...plain(), ...full, retry_count: 2 } });
  const least = decodeEnvelope(Buffer.from('{"message_id":"m1","content":""}'));
  assert.deepEqual(least, {
    kind: "envelope",
    envelope: { ...plain(), content: "", timestamp: 0, requires_ack: true, ack_topic: "" },
  });
});

test("fields of a wrong type count as not given", () => {
  const odd = {
    message_id: "m1",
    content: "x",
    timestamp: "1",
    requires_ack: "no",
    retry_count: null,
    expires_in: "9",
  };
  const decoded = decodeEnvelope(Buffer.from(JSON.stringify(odd)));
  assert.equal(decoded.kind, "envelope");
  if (decoded.kind !== "envelope") return;
  const { timestamp, requires_ack, retry_count, expires_in } = decoded.envelope;
  assert.deepEqual([timestamp, requires_ack, retry_count, expires_in], [0, true, 0, null]);
});

const MALFORMED: readonly (readonly [what: string, payload: string | Buffer, reason: RegExp])[] = [
  ["nothing", "", /not JSON/],
  ["no JSON", "hello", /not JSON/],
  ["no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
  ["an array", "[]", /not a JSON object/],
  ["null", "null", /not a JSON object/],
  ["a text", '"x"', /not a JSON object/],
  ["no id", '{"content":"x"}', /message_id/],
  ["an id that is a number", '{"message_id":1,"content":"x"}', /message_id/],
  ["an empty id", '{"message_id":"","content":"x"}', /message_id/],
  ["an id that would leave its ack topic", '{"message_id":"a/b","content":"x"}', /message_id/],
  ["an id with a wildcard", '{"message_id":"#","content":"x"}', /message_id/],
  ["an id with NUL", '{"message_id":"a\\u0000","content":"x"}', /message_id/],
  ["an id with a lone surrogate", '{"message_id":"a\\ud800","content":"x"}', /message_id/],
  ["an id of 129 characters", `{"message_id":"${"a".repeat(129)}","content":"x"}`, /message_id/],
  ["no content", '{"message_id":"m1"}', /content/],
  ["a content that is an object", '{"message_id":"m1","content":{}}', /content/],
  ["an unknown encoding", '{"message_id":"m1","content":"x","content_encoding":"hex"}', /content_encoding/],
];
for (const [what, payload, reason] of MALFORMED) {
  test(`${what} is malformed`, () => {
    const decoded = decodeEnvelope(Buffer.from(payload));
    assert.equal(decoded.kind, "malformed");
    assert.match(decoded.kind === "malformed" ? decoded.reason : "", reason);
  });
}

// ENVELOPE-2
test("decoding never throws, for any bytes", () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map((json) => Buffer.from(json)),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify({ message_id: "m1", content: "x", checksum: value }))),
  );
  fc.assert(
    fc.property(some, (bytes) => ["envelope", "corrupt", "malformed"].includes(decodeEnvelope(bytes).kind)),
    { numRuns: 500 },
  );
  assert.equal(decodeEnvelope(Buffer.from("[".repeat(200_000))).kind, "malformed");
});

// JSON-3
test("a __proto__ in JSON sets no prototype", () => {
  const parsed = parseObject(Buffer.from('{"__proto__":{"content":"x"},"message_id":"m1"}'));
  assert.equal(typeof parsed === "object" && parsed["content"], undefined);
  assert.equal(decodeEnvelope(Buffer.from('{"__proto__":{"content":"x"},"message_id":"m1"}')).kind, "malformed");
});

test("the checksum is SHA-256 over the bytes that the content stands for", () => {
  const hex = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  fc.assert(
    fc.property(fc.uint8Array(), text, (bytes, words) => {
      assert.equal(checksumOf(Buffer.from(bytes).toString("base64"), "base64"), hex(bytes));
      assert.equal(checksumOf(words, "utf8"), hex(Buffer.from(words)));
    }),
  );
});

function plain(): Envelope {
  return {
    message_id: "m1",
    content: "hello",
    timestamp: 1.5,
    requires_ack: true,
    ack_topic: "delivery/ack/m1",
    retry_count: 0,
    checksum: null,
    content_encoding: "utf8",
    content_type: null,
    ordering_key: null,
    attempt_token: null,
    expires_in: null,
    traceparent: null,
    topic: null,
    outbox: null,
    signature: null,
  };
}
