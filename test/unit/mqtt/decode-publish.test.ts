/** PUBLISH and PUBACK as mqtt-packet writes them, read by us; and what is damaged, refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePuback, decodePublish } from "@acktor/shared/mqtt/decode-publish";
import { FrameSplitter } from "@acktor/shared/mqtt/frame-splitter";
import fc from "fast-check";
import mqttPacket, { type IPublishPacket, type Packet } from "mqtt-packet";

type Decoded = ReturnType<typeof decodePublish>;

function decode(bytes: Buffer, version: 4 | 5): Decoded {
  const found: Decoded[] = [];
  const splitter = new FrameSplitter(1_000_000, {
    frame: (all, start, body, end) => found.push(decodePublish(all, start, body, end, version)),
    malformed: assert.fail,
  });
  // The decoder must not read the bytes around the packet.
  splitter.push(Buffer.concat([bytes, Buffer.from([0x40, 2, 0xff, 0xff])]));
  const [decoded] = found;
  assert.ok(decoded !== undefined);
  return decoded;
}

const text = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((s) => s.isWellFormed() && !s.includes("\0"));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const properties = fc
  .record({
    payloadFormatIndicator: optional(fc.boolean()),
    messageExpiryInterval: optional(fc.nat(4_294_967_295)),
    responseTopic: optional(text),
    correlationData: optional(fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes))),
    contentType: optional(text),
    subscriptionIdentifier: optional(fc.integer({ min: 1, max: 268_435_455 })),
    userProperties: optional(
      fc.dictionary(text, fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 })), { minKeys: 1, maxKeys: 3 }),
    ),
  })
  .map((fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));

const publishes = fc.record({
  topic: text,
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const),
  retain: fc.boolean(),
  dup: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties,
});

for (const version of [4, 5] as const) {
  test(`what mqtt-packet writes is what is read (version ${version})`, () => {
    fc.assert(
      fc.property(publishes, (fields) => {
        const packet = { ...fields, cmd: "publish" } as IPublishPacket;
        const decoded = decode(mqttPacket.generate(packet, { protocolVersion: version }), version);
        assert.ok(decoded.ok);
        const { message } = decoded;
        assert.equal(message.topic, fields.topic);
        assert.deepEqual(message.payload, fields.payload);
        assert.equal(message.qos, fields.qos);
        assert.equal(message.retain, fields.retain);
        assert.equal(decoded.packetId, fields.qos === 1 ? fields.messageId : 0);
        const expected = version === 5 ? fields.properties["userProperties"] : undefined;
        assert.deepEqual(plain(message.userProperties), plain(expected));
      }),
    );
  });
}

test("for any bytes: a message or a refusal, nothing thrown, nothing read beyond the end", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(0x30, 0x32),
      fc.constantFrom(4 as const, 5 as const),
      (body, header, version) => {
        const bytes = Buffer.concat([Buffer.from([header, body.length]), body]);
        const decoded = decode(bytes, version);
        if (decoded.ok) assert.ok(decoded.message.payload.length <= body.length);
        else assert.notEqual(decoded.why, "");
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a topic alias, which was never offered, is refused", () => {
  const packet: Packet = {
    cmd: "publish",
    topic: "a",
    payload: "x",
    qos: 0,
    retain: false,
    dup: false,
    properties: { topicAlias: 3 },
  };
  assert.equal(decode(mqttPacket.generate(packet, { protocolVersion: 5 }), 5).ok, false);
});

test("a PUBACK with and without its reason; two bytes are the least", () => {
  assert.deepEqual(decodePuback(Buffer.from([0x40, 2, 1, 2]), 2, 4), { packetId: 258, reasonCode: 0 });
  assert.deepEqual(decodePuback(Buffer.from([0x40, 3, 0, 7, 0x97]), 2, 5), { packetId: 7, reasonCode: 0x97 });
  assert.equal(decodePuback(Buffer.from([0x40, 1, 0, 9]), 2, 3), null);
});

/** Without prototypes, so that they do not count. */
const plain = (value: unknown): unknown => (value === undefined ? undefined : { ...(value as object) });
