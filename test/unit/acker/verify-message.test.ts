import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PAYLOAD_BYTES, type Verdict, verifyMessage } from "@acktor/acker/verify/verify-message";
import { checksumOf, encodeEnvelope } from "@acktor/shared/protocol/envelope";
import { EnvelopeTrust } from "@acktor/shared/protocol/envelope-proof";
import { TopicMap } from "@acktor/shared/protocol/topic-map";
import fc from "fast-check";
import { sealed } from "../../support/proof.ts";

const topics = new TopicMap();
const options = { ackPrefix: "delivery/ack", presencePrefix: "delivery/acker", trust: null, topics };

function verify(payload: object | string | Uint8Array, arrivedAt = 0, now = 0): Verdict {
  const bytes =
    payload instanceof Uint8Array ? payload : typeof payload === "string" ? payload : JSON.stringify(payload);
  return verifyMessage({ topic: "data/a", payload: Buffer.from(bytes), arrivedAt }, options, now);
}

// VERIFY-1
test("the answer to any bytes is a value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(verify(bytes).kind, "malformed");
    }),
  );
  const field = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.object());
  const names = [
    "message_id",
    "content",
    "ack_topic",
    "checksum",
    "expires_in",
    "retry_count",
    "attempt_token",
    "content_encoding",
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), field), (json) => {
      assert.match(verify(json).kind, /^(message|malformed|expired|corrupt|unusable)$/);
    }),
    { numRuns: 500 },
  );
});

test("what was encoded is understood", () => {
  // The outbox takes no NUL as text.
  const storable = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\u0000", ""));
  fc.assert(
    fc.property(fc.uuid({ version: 7 }), storable, fc.nat(), (id, content, retries) => {
      const envelope = {
        message_id: id,
        content,
        timestamp: 1,
        requires_ack: true,
        ack_topic: `delivery/ack/${id}`,
        retry_count: retries,
        checksum: checksumOf(content, "utf8"),
        content_encoding: "utf8" as const,
        content_type: null,
        ordering_key: null,
        attempt_token: "5",
        expires_in: null,
        traceparent: null,
        topic: null,
        outbox: null,
        signature: null,
      };
      const verdict = verify(encodeEnvelope(envelope));
      assert.ok(verdict.kind === "message");
      assert.equal(verdict.message.content, content);
      assert.equal(verdict.message.checksum, envelope.checksum);
      assert.deepEqual(verdict.message.answerTo, { topic: envelope.ack_topic, id });
    }),
  );
});

// VERIFY-2
test("the ack is sent to the envelope's ack topic, if its last level is the id", () => {
  const target = (ack_topic?: string): string | null => {
    const verdict = verify({ message_id: "m1", content: "x", ack_topic });
    return verdict.kind === "message" ? (verdict.message.answerTo?.topic ?? null) : null;
  };
  assert.equal(target(undefined), "delivery/ack/m1");
  assert.equal(target(""), "delivery/ack/m1");
  assert.equal(target("delivery/ack/m1"), "delivery/ack/m1");
  assert.equal(target("outbox-2/acks/m1"), "outbox-2/acks/m1");
  for (const wrong of [
    "delivery/ack/m2",
    "m1",
    "commands/stop",
    "$SYS/m1",
    "a/+/m1",
    "#/m1",
    "a\u0000/m1",
    "delivery/acker/m1",
  ]) {
    assert.equal(target(wrong), null, wrong);
  }
});

// VERIFY-6
test("life ends by our clock, and only by it", () => {
  const lives = { message_id: "m1", content: "x", expires_in: 2.5 };
  assert.equal(verify(lives, 1_000, 3_499).kind, "message");
  assert.equal(verify(lives, 1_000, 3_500).kind, "expired");
  assert.equal(verify({ ...lives, expires_in: 0 }).kind, "expired");
  assert.equal(verify({ ...lives, timestamp: 0, expires_in: 1e9 }).kind, "message");
});

// VERIFY-5
test("a damaged copy may be sent again, what cannot be stored may not", () => {
  const corrupt = verify({ message_id: "m1", content: "x", checksum: "sha256:00", attempt_token: "9" });
  assert.ok(corrupt.kind === "corrupt");
  assert.deepEqual([corrupt.rejected?.attemptToken, corrupt.rejected?.checksum], ["9", null]);
  assert.equal(verify({ message_id: "m1", content: "\ud800" }).kind, "unusable");
  assert.equal(verify({ message_id: "m1", content: "a\u0000" }).kind, "unusable");
  assert.equal(verify({ message_id: "m1", content: "a", content_encoding: "base64" }).kind, "unusable");
  assert.equal(verify({ message_id: "m1", content: "AAE=", content_encoding: "base64" }).kind, "message");
  const quiet = verify({ message_id: "m1", content: "\ud800", requires_ack: false });
  assert.ok(quiet.kind === "unusable" && quiet.rejected === null);
});

test("odd fields are rejected or made harmless", () => {
  assert.equal(verify({ message_id: "m1", content: "x", attempt_token: "a\u0000" }).kind, "malformed");
  assert.equal(verify({ message_id: "m1", content: "x", content_type: "t".repeat(2_000) }).kind, "malformed");
  assert.equal(verify({ message_id: "m".repeat(129), content: "x" }).kind, "malformed");
  const verdict = verify({ message_id: "m1", content: "x", retry_count: 1e300 });
  assert.ok(verdict.kind === "message" && verdict.message.retryCount === 0);
  assert.equal(verify(Buffer.alloc(MAX_PAYLOAD_BYTES + 1, 32)).kind, "malformed");
});

test("VERIFY-4: another text of the signed bytes has no answer; U+0000 that was signed is rejected without retry", () => {
  const secret = "the secret of the envelopes";
  const trust = EnvelopeTrust.of({ secrets: [secret], publicKeys: [], acceptsUnsigned: false, now: () => 0 });
  const judge = (envelope: object): Verdict => {
    const payload = Buffer.from(JSON.stringify(envelope));
    return verifyMessage({ topic: "data/a", payload, arrivedAt: 0 }, { ...options, trust }, 0);
  };
  const base64 = sealed({ message_id: "m1", topic: "data/a", content: "Zm9vbw==", content_encoding: "base64" }, secret);
  assert.equal(judge(base64).kind, "message");
  for (const content of ["Zm9v\nbw==", "Zm9vbx==", "Zm9vbw", "Zm9v bw==", "Zm9vbw=="]) {
    const wanted = content === "Zm9vbw==" ? "message" : "unauthenticated";
    assert.equal(judge({ ...base64, content }).kind, wanted, JSON.stringify(content));
  }
  const text = sealed({ message_id: "m2", topic: "data/a", content: "a \ufffd" }, secret);
  assert.equal(judge({ ...text, content: "a \ud800" }).kind, "unauthenticated");
  const nul = judge(sealed({ message_id: "m3", topic: "data/a", content: "a\u0000" }, secret));
  assert.deepEqual([nul.kind, nul.kind === "unusable" && nul.retryable], ["unusable", false]);
});
