import assert from "node:assert/strict";
import { test } from "node:test";
import { toPublish } from "@acktor/publisher/dispatch/to-publish";
import { decodeEnvelope } from "@acktor/shared/protocol/envelope";
import fc from "fast-check";
import { leased } from "../../support/leased.ts";
import { UNSEALED } from "../../support/proof.ts";

const ms = fc.double({ min: 0.001, max: 1e13, noNaN: true });

function expiryOf(retain: boolean, lifeLeftMs: number | null, nextInMs: number): number | undefined {
  return toPublish({ message: leased({ retain }), ackPrefix: "delivery/ack", seal: UNSEALED, lifeLeftMs, nextInMs })
    .expirySeconds;
}

test("TO_PUBLISH-1: a copy in the broker's queue lives until the next one is sent and 5 s and a tenth more, not after the message", () => {
  fc.assert(
    fc.property(fc.option(ms), ms, (lifeLeftMs, nextInMs) => {
      const seconds = expiryOf(false, lifeLeftMs, nextInMs) ?? Number.NaN;
      assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 4_294_967_295);
      const wanted = Math.min(lifeLeftMs ?? Number.POSITIVE_INFINITY, 1.1 * nextInMs + 5_000) / 1_000;
      assert.ok(seconds === 1 || seconds < wanted + 1);
      assert.ok(seconds === 4_294_967_295 || seconds > wanted - 1e-3);
    }),
  );
});

test("TO_PUBLISH-1: the only copy of a message without requires_ack lives as long as the message", () => {
  const message = leased({ requiresAck: false });
  const of = (lifeLeftMs: number | null) =>
    toPublish({ message, ackPrefix: "delivery/ack", seal: UNSEALED, lifeLeftMs, nextInMs: 3_000 }).expirySeconds;
  assert.equal(of(60_000), 60);
  assert.equal(of(null), undefined);
});

test("a message at the end of its life still lives for a second, for an expiry of 0 would end it immediately", () => {
  assert.equal(expiryOf(false, 0.5, 0), 1);
});

test("a retained copy carries the message's own life, whenever the next one is sent", () => {
  assert.equal(expiryOf(true, 60_000, 3_000), 60);
  assert.equal(expiryOf(true, null, 3_000), undefined);
  fc.assert(
    fc.property(ms, ms, (lifeLeftMs, nextInMs) => {
      const wanted = Math.min(4_294_967_295, Math.max(1, Math.ceil(lifeLeftMs / 1_000)));
      assert.equal(expiryOf(true, lifeLeftMs, nextInMs), wanted);
    }),
  );
});

test("the envelope has the row's values, and the message's expiry", () => {
  const message = leased({
    payload: "aGVsbG8=",
    contentEncoding: "base64",
    contentType: "text/plain",
    orderingKey: "k",
    attempts: 3,
    leaseToken: "9",
    createdAt: 1_700_000_000.25,
    traceparent: "00-a-b-01",
  });
  const publish = toPublish({ message, ackPrefix: "my/ack", seal: UNSEALED, lifeLeftMs: 1_500, nextInMs: 9_000 });
  const decoded = decodeEnvelope(Buffer.from(publish.payload));
  assert.deepEqual(decoded, {
    kind: "envelope",
    envelope: {
      message_id: message.messageId,
      content: "aGVsbG8=",
      timestamp: 1_700_000_000.25,
      requires_ack: true,
      ack_topic: `my/ack/${message.messageId}`,
      retry_count: 3,
      checksum: message.checksum,
      content_encoding: "base64",
      content_type: "text/plain",
      ordering_key: "k",
      attempt_token: "9",
      expires_in: 1.5,
      traceparent: "00-a-b-01",
      topic: message.topic,
      outbox: null,
      signature: null,
    },
  });
  assert.equal(publish.topic, message.topic);
  assert.equal(publish.contentType, "application/json");
  assert.deepEqual(publish.userProperties, { traceparent: "00-a-b-01" });
});

test("the caller's trace goes in user properties: the attempt's own span, and the vendors' part unchanged", () => {
  const of = (traceparent: string | null, tracestate: string | null, own: string | null) =>
    toPublish({
      message: leased({ traceparent, tracestate }),
      ackPrefix: "delivery/ack",
      seal: UNSEALED,
      lifeLeftMs: null,
      nextInMs: 1,
      traceparent: own,
    }).userProperties;
  assert.deepEqual(of("00-a-b-01", "v=1", null), { traceparent: "00-a-b-01", tracestate: "v=1" });
  assert.deepEqual(of("00-a-b-01", "v=1", "00-a-c-01"), { traceparent: "00-a-c-01", tracestate: "v=1" });
  assert.equal(of(null, "v=1", null), undefined);
});

test("with MQTT 5 a PUBLISH has a response topic, only if an ack is required", () => {
  const make = (requiresAck: boolean) =>
    toPublish({
      message: leased({ requiresAck }),
      ackPrefix: "delivery/ack",
      seal: UNSEALED,
      lifeLeftMs: null,
      nextInMs: 1,
    });
  const { responseTopic, correlationData } = make(true);
  assert.equal(responseTopic, `delivery/ack/${correlationData?.toString()}`);
  assert.equal("responseTopic" in make(false), false);
  assert.equal("correlationData" in make(false), false);
  assert.equal("userProperties" in make(true), false);
});
