/** Our PUBLISH bytes, read back by mqtt-packet, on both versions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutgoingPublish } from "@acktor/shared/link/link";
import { sizeOfPublish, writePublish } from "@acktor/shared/mqtt/encode-publish";
import fc from "fast-check";
import mqttPacket, { type IPublishPacket } from "mqtt-packet";

const text = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((s) => s.isWellFormed() && !s.includes("\0"));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const messages = fc
  .record({
    topic: text,
    payload: fc.oneof(
      text,
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.constant("x".repeat(20_000)),
    ),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    expirySeconds: optional(fc.nat(4_294_967_295)),
    responseTopic: optional(text),
    correlationData: optional(fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes))),
    contentType: optional(text),
    userProperties: optional(fc.dictionary(text, text, { minKeys: 1, maxKeys: 3, noNullPrototype: true })),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)))
  .map((fields) => fields as unknown as OutgoingPublish);

for (const version of [4, 5] as const) {
  test(`what is written is what mqtt-packet reads (version ${version})`, () => {
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 65_535 }), fc.nat(20), (message, packetId, offset) => {
        const size = sizeOfPublish(message, version);
        const target = Buffer.alloc(offset + size.total + 3, 0xee);
        writePublish(target, offset, message, version, packetId, size);
        assert.equal(
          target.subarray(0, offset).every((byte) => byte === 0xee),
          true,
        );
        assert.equal(
          target.subarray(offset + size.total).every((byte) => byte === 0xee),
          true,
        );
        const packet = parse(target.subarray(offset, offset + size.total), version);
        assert.equal(packet.topic, message.topic);
        assert.deepEqual(packet.payload, Buffer.from(message.payload));
        assert.equal(packet.qos, message.qos);
        assert.equal(packet.retain, message.retain);
        assert.equal(packet.dup, false);
        assert.equal(packet.messageId, message.qos > 0 ? packetId : undefined);
        if (version === 5) assertProperties(packet, message);
      }),
    );
  });
}

test("a text that is too long for MQTT makes the size infinite, so that it is never written", () => {
  const long = "x".repeat(65_536);
  const base = { topic: "a", payload: "", qos: 1, retain: false } as const;
  for (const message of [
    { ...base, topic: long },
    { ...base, contentType: long },
    { ...base, responseTopic: long },
    { ...base, userProperties: { [long]: "" } },
    { ...base, correlationData: Buffer.alloc(65_536) },
  ]) {
    assert.equal(sizeOfPublish(message, 5).total, Number.POSITIVE_INFINITY);
  }
});

test("an expiry outside of 32 bits is clamped, not thrown", () => {
  for (const [expirySeconds, shown] of [
    [-5, 0],
    [1e12, 4_294_967_295],
    [1.2, 2],
  ] as const) {
    const message = { topic: "a", payload: "", qos: 1, retain: false, expirySeconds } as const;
    const size = sizeOfPublish(message, 5);
    const target = Buffer.alloc(size.total);
    writePublish(target, 0, message, 5, 1, size);
    assert.equal(parse(target, 5).properties?.messageExpiryInterval, shown);
  }
});

function assertProperties({ properties = {} }: IPublishPacket, message: OutgoingPublish): void {
  assert.equal(properties.messageExpiryInterval, message.expirySeconds);
  assert.equal(properties.contentType, message.contentType);
  assert.equal(properties.responseTopic, message.responseTopic);
  assert.deepEqual(properties.correlationData, message.correlationData);
  assert.equal(properties.payloadFormatIndicator, typeof message.payload === "string" ? true : undefined);
  assert.deepEqual({ ...properties.userProperties }, { ...message.userProperties });
}

function parse(bytes: Buffer, protocolVersion: 4 | 5): IPublishPacket {
  const parser = mqttPacket.parser({ protocolVersion });
  const found: IPublishPacket[] = [];
  parser.on("packet", (packet) => {
    if (packet.cmd === "publish") found.push(packet);
  });
  parser.on("error", (error) => assert.fail(error));
  parser.parse(bytes);
  const [packet] = found;
  assert.ok(packet !== undefined && found.length === 1);
  return packet;
}
