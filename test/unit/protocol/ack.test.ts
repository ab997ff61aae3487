import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { type Ack, decodeAck, encodeAck, isSigned, MAX_ACK_BYTES, signAck } from "@acktor/shared/protocol/ack";
import fc from "fast-check";

const ID = "01890a5d-ac96-774b-bcce-b302099a8057";
const SECRET = "a secret of more than sixteen";

const text = fc.string({ unit: "grapheme", maxLength: 100 }).filter((value) => !value.includes("\u0000"));
const ack: fc.Arbitrary<Ack> = fc
  .record({
    message_id: fc.uuid(),
    client_id: fc.option(text),
    status: fc.constantFrom("processed", "rejected"),
    reason: text,
    retryable: fc.boolean(),
    attempt_token: fc.option(fc.nat().map(String)),
    checksum: fc.option(fc.constant(`sha256:${"0".repeat(64)}`)),
    signature: fc.option(text),
  })
  .map((a) => (a.status === "rejected" ? { ...a } : { ...a, reason: null, retryable: true }));

test("an ack comes back as it was sent", () => {
  fc.assert(
    fc.property(ack, (a) => {
      assert.deepEqual(decodeAck(a.message_id, Buffer.from(encodeAck(a))), { kind: "ack", ack: a });
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
  ["a client that is a number", '{"client_id":1}', /client_id/],
  ["a client with NUL, which PostgreSQL cannot keep", '{"client_id":"a\\u0000"}', /client_id/],
  ["a client with a lone surrogate", '{"client_id":"\\ud800"}', /client_id/],
  ["a client of 1,025 characters", `{"client_id":"${"a".repeat(1_025)}"}`, /client_id/],
  ["a reason that is an object", '{"status":"rejected","reason":{}}', /reason/],
  ["a token that is a number", '{"attempt_token":1}', /attempt_token/],
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

test("a payload bomb is refused by its size alone", () => {
  const bomb = { byteLength: 200_000_000 } as Uint8Array;
  assert.equal(decodeAck(ID, bomb).kind, "malformed");
});

test("decoding never throws, whatever arrives", () => {
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.json().map((json) => Buffer.from(json)),
    fc
      .record({ status: fc.jsonValue(), client_id: fc.jsonValue(), retryable: fc.jsonValue() })
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(some, (bytes) => ["ack", "malformed"].includes(decodeAck(ID, bytes).kind)),
    { numRuns: 500 },
  );
});

test("a signed ack is recognised, also after its journey", () => {
  fc.assert(
    fc.property(ack, (a) => {
      const signed = { ...a, signature: signAck(a, SECRET) };
      assert.equal(isSigned(signed, SECRET), true);
      const decoded = decodeAck(a.message_id, Buffer.from(encodeAck(signed)));
      assert.equal(decoded.kind === "ack" && isSigned(decoded.ack, SECRET), true);
    }),
  );
});

test("the signature covers the id, the token, the checksum, the status and the client", () => {
  const digest = "ab".repeat(32);
  const signed: Ack = {
    message_id: ID,
    client_id: "c1",
    status: "processed",
    reason: null,
    retryable: true,
    attempt_token: "7",
    checksum: `sha256:${digest}`,
    signature: null,
  };
  const signature = signAck(signed, SECRET);
  const hmac = createHmac("sha256", SECRET).update(`v1.${ID}.7.${digest}.processed.c1`).digest("hex");
  assert.equal(signature, `hmac-sha256:${hmac}`);
  const changes: Partial<Ack>[] = [
    { message_id: "another" },
    { client_id: "c2" },
    { client_id: null },
    { status: "rejected" },
    { attempt_token: "8" },
    { attempt_token: null },
    { checksum: null },
    { checksum: `sha256:${"cd".repeat(32)}` },
  ];
  for (const change of changes) {
    assert.equal(isSigned({ ...signed, ...change, signature }, SECRET), false, JSON.stringify(change));
  }
  assert.equal(isSigned({ ...signed, signature }, SECRET), true);
});

test("an ack without a signature, or with another secret's, is not signed", () => {
  fc.assert(
    fc.property(ack, fc.option(text), (a, signature) => {
      assert.equal(isSigned({ ...a, signature }, SECRET), false);
      assert.equal(isSigned({ ...a, signature: signAck(a, `${SECRET}!`) }, SECRET), false);
    }),
  );
});
