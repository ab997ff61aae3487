import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ack, decodeAck, encodeAck, MAX_ACK_BYTES } from "@acktor/shared/protocol/ack";
import fc from "fast-check";

const ID = "01890a5d-ac96-774b-bcce-b302099a8057";

const text = fc.string({ unit: "grapheme", maxLength: 100 }).filter((value) => !value.includes("\u0000"));
const ack: fc.Arbitrary<Ack> = fc
  .record({
    message_id: fc.uuid(),
    client_id: fc.option(text),
    status: fc.constantFrom("processed", "rejected"),
    reason: text,
    retryable: fc.boolean(),
    attempt_token: fc.option(fc.nat().map(String)),
    topic: fc.option(text),
    checksum: fc.option(fc.constant(`sha256:${"0".repeat(64)}`)),
    signature: fc.option(text),
  })
  .map((a) => (a.status === "rejected" ? { ...a } : { ...a, reason: null, retryable: true }));

test("decoding an encoded ack gives the same ack", () => {
  fc.assert(
    fc.property(ack, (a) => {
      assert.deepEqual(decodeAck(a.message_id, Buffer.from(encodeAck(a))), { kind: "ack", ack: a, unknown: [] });
    }),
  );
});

for (const payload of ['{"client_id":"x"}', "{}", '{"client_id":null,"status":null,"extra":{"a":[1]}}']) {
  test(`the tutorial's form ${payload} means processed`, () => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    assert.equal(decoded.kind, "ack");
    if (decoded.kind !== "ack") return;
    assert.equal(decoded.ack.status, "processed");
    assert.equal(decoded.ack.message_id, ID);
    assert.equal(decoded.ack.client_id, payload.includes('"x"') ? "x" : null);
    assert.equal(decoded.ack.attempt_token, null);
  });
}

test("a rejection without words may be tried again", () => {
  const decoded = decodeAck(ID, Buffer.from('{"status":"rejected"}'));
  assert.equal(decoded.kind === "ack" && decoded.ack.retryable, true);
});

const MALFORMED: readonly (readonly [what: string, payload: string | Buffer, reason: RegExp])[] = [
  ["nothing", "", /not JSON/],
  ["an array", '[{"client_id":"x"}]', /not a JSON object/],
  ["a text", '"processed"', /not a JSON object/],
  ["no UTF-8", Buffer.from([0xc3, 0x28]), /not UTF-8/],
  ["the id of another message", '{"message_id":"other"}', /another message/],
  ["an id that is null", '{"message_id":null}', /another message/],
  ["an unknown status", '{"status":"done"}', /status/],
  ["a status that is a number", '{"status":1}', /status/],
  ["a client with NUL, which PostgreSQL cannot keep", '{"client_id":"a\\u0000"}', /client_id/],
  ["a client with a lone surrogate", '{"client_id":"\\ud800"}', /client_id/],
  ["a client of 1,025 characters", `{"client_id":"${"a".repeat(1_025)}"}`, /client_id/],
  ["a topic that is a number", '{"topic":1}', /topic/],
  ["a reason that is an object", '{"status":"rejected","reason":{}}', /reason/],
  ["retryable that is a text", '{"status":"rejected","retryable":"yes"}', /retryable/],
  ["more than its bytes may be", `{"client_id":"x","a":"${"a".repeat(MAX_ACK_BYTES)}"}`, /larger than/],
  ["nesting beyond measure", "[".repeat(MAX_ACK_BYTES), /nested deeper/],
];
for (const [what, payload, reason] of MALFORMED) {
  test(`${what} is malformed`, () => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    assert.equal(decoded.kind, "malformed");
    assert.match(decoded.kind === "malformed" ? decoded.reason : "", reason);
  });
}

test("a payload bomb is rejected for its size alone", () => {
  const bomb = { byteLength: 200_000_000 } as Uint8Array;
  assert.equal(decodeAck(ID, bomb).kind, "malformed");
});

// ACK-3
test("decoding never throws, for any bytes", () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map((json) => Buffer.from(json)),
    fc
      .record({ status: fc.jsonValue(), client_id: fc.jsonValue(), retryable: fc.jsonValue(), error: fc.jsonValue() })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(some, (bytes) => ["ack", "malformed"].includes(decodeAck(ID, bytes).kind)),
    { numRuns: 500 },
  );
});

const CONTRADICTIONS: readonly (readonly [payload: string, reason: RegExp])[] = [
  ['{"reason":"no"}', /reason is given without status/],
  ['{"retryable":false}', /retryable is given without status/],
  ['{"retryable":true}', /retryable is given without status/],
  ['{"retry_after":5}', /retry_after is given without status/],
  ['{"status":"processed","reason":"no"}', /reason is given without status/],
  ['{"status":"working","retryable":false}', /retryable is given without status/],
  ['{"working_for":5}', /working_for is given without status/],
  ['{"status":"rejected","working_for":5}', /working_for is given without status/],
  ['{"success":false}', /success speaks of a failure/],
  ['{"ok":0}', /ok speaks of a failure/],
  ['{"acknowledged":"false"}', /acknowledged speaks of a failure/],
  ['{"error":"out of paper"}', /error speaks of a failure/],
  ['{"client_id":"x","error":{"code":5}}', /error speaks of a failure/],
  ['{"failed":true}', /failed speaks of a failure/],
  ['{"state":"rejected"}', /state speaks of a failure/],
  ['{"result":"NOT_OK"}', /result speaks of a failure/],
  ['{"code":500}', /code speaks of a failure/],
  ['{"outcome":"timed out"}', /outcome speaks of a failure/],
];
for (const [payload, reason] of CONTRADICTIONS) {
  test(`ACK-2: ${payload} is not a success`, () => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    assert.match(decoded.kind === "malformed" ? decoded.reason : decoded.kind, reason);
  });
}

const SUCCESSES: readonly (readonly [payload: string, unknown: readonly string[]])[] = [
  ["{}", []],
  ['{"client_id":"x","timestamp":1.5}', []],
  ['{"client_id":"x","reason":null,"retryable":null}', []],
  ['{"success":true}', ["success"]],
  ['{"error":null,"failures":[],"errors":0}', ["error", "failures", "errors"]],
  ['{"state":"done","code":200,"result":"21.5"}', ["state", "code", "result"]],
  ['{"firmware":"1.2"}', ["firmware"]],
  ['{"status":"processed","success":false}', []],
];
for (const [payload, unknown] of SUCCESSES) {
  test(`ACK-1: ${payload} counts as processed, and its unknown words are named`, () => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    assert.deepEqual(decoded.kind === "ack" ? [decoded.ack.status, decoded.unknown] : decoded, ["processed", unknown]);
  });
}

test("ACK-4: a C string with its end, and numbers that stand for their digits", () => {
  const of = (payload: string) => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    return decoded.kind === "ack" ? [decoded.ack.client_id, decoded.ack.attempt_token] : decoded.reason;
  };
  assert.deepEqual(of('{"client_id":"d"}\0'), ["d", null]);
  assert.deepEqual(of('{"client_id":"d"}\0\0\0'), ["d", null]);
  assert.deepEqual(of('{"client_id":17,"status":"rejected","attempt_token":3}'), ["17", "3"]);
  assert.deepEqual(of('{"client_id":-0}'), ["0", null]);
  assert.equal(of("\0\0"), "is not JSON");
  assert.equal(of('{"client_id":"d"}\0x'), "is not JSON");
  for (const uncertain of ["1.5", "9007199254740993", "true", "[17]"]) {
    assert.match(String(of(`{"client_id":${uncertain}}`)), /client_id is not a text/, uncertain);
  }
});

test("of an ack that cannot be read, its sender's name is kept where it can be read", () => {
  const of = (payload: string) => {
    const decoded = decodeAck(ID, Buffer.from(payload));
    return decoded.kind === "malformed" ? decoded.clientId : "an ack";
  };
  assert.equal(of('{"client_id":17,"success":false}'), "17");
  assert.equal(of('{"client_id":"d","reason":"x"}'), "d");
  assert.equal(of("done"), null);
});
