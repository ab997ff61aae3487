import assert from "node:assert/strict";
import { test } from "node:test";
import { birthFault, decodePresence, encodePresence, type Presence } from "@acktor/shared/protocol/presence";
import { filterFault } from "@acktor/shared/protocol/topics";
import fc from "fast-check";

const filter = fc
  .array(fc.constantFrom("a", "b", "+", "ü", "x y"), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join("/"))
  .filter((text) => filterFault(text) === null);
const fields = {
  instance: fc.string(),
  status: fc.constantFrom("online" as const, "lost" as const),
  filters: fc.array(filter, { maxLength: 5 }),
  since: fc.integer({ min: 0, max: 4_000_000_000 }),
};
const presence: fc.Arbitrary<Presence> = fc.record(fields, { noNullPrototype: true });

test("decoding an encoded presence record gives the same record", () => {
  fc.assert(
    fc.property(presence, (p) => {
      assert.deepEqual(decodePresence(Buffer.from(encodePresence(p))), { kind: "presence", presence: p });
    }),
  );
});

const reasonOf = (payload: string | Buffer): string => {
  const decoded = decodePresence(Buffer.from(payload));
  return decoded.kind === "ignored" ? decoded.reason : "";
};

const record = { instance: "one", status: "online", filters: ["a/#"], since: 1 };
const BAD: Readonly<Record<string, unknown>> = {
  "no instance": { ...record, instance: undefined },
  "an instance that is no text": { ...record, instance: 1 },
  "an unknown status": { ...record, status: "away" },
  "filters that are no list": { ...record, filters: "a/#" },
  "a filter that is no text": { ...record, filters: [1] },
  "a filter that no broker takes": { ...record, filters: ["a/#/b"] },
  "a filter with a control character": { ...record, filters: ["a\u0001"] },
  "more than 100 filters": { ...record, filters: Array.from({ length: 101 }, (_, i) => `t/${i}`) },
  "a filter of more than 100 levels": { ...record, filters: ["a/".repeat(100)] },
  "more than 8 KiB": { ...record, filters: ["a".repeat(8_192)] },
  "more than 8 KiB in fields that are not known": { ...record, more: "a".repeat(8_192) },
  "many values": { ...record, more: Array.from({ length: 2_000 }, () => 1) },
  "an array": [record],
  null: null,
};
for (const [what, bad] of Object.entries(BAD)) {
  test(`BIRTH-1: ${what} is not a presence record`, () => {
    const reason = reasonOf(JSON.stringify(bad));
    assert.match(reason, /^(is|has) /);
    assert.ok(reason.length < 100, "it quotes nothing");
  });
}

test("BIRTH-1: deep nesting is not parsed", () => {
  assert.match(reasonOf(`{"instance":"one","more":${"[".repeat(4_000)}${"]".repeat(4_000)}}`), /nested deeper/);
});

test("BIRTH-1: what is just within the limits is a record", () => {
  const filters = Array.from({ length: 100 }, (_, i) => `${"a/".repeat(35)}${i}`);
  assert.equal(reasonOf(JSON.stringify({ ...record, filters })), "");
  assert.equal(reasonOf(JSON.stringify({ ...record, filters: [`${"a/".repeat(99)}#`] })), "");
});

test("a record without a time, or with one beyond all numbers, is as old as can be", () => {
  const { since: _, ...timeless } = record;
  for (const text of [JSON.stringify(timeless), JSON.stringify(record).replace('"since":1', '"since":1e999')]) {
    const decoded = decodePresence(Buffer.from(text));
    assert.equal(decoded.kind === "presence" ? decoded.presence.since : null, 0);
  }
});

test("BIRTH-2: filters that would make an announcement beyond the limits are a fault", () => {
  assert.equal(birthFault(["a/#", "b/+"]), null);
  assert.equal(birthFault(Array.from({ length: 100 }, (_, i) => `t/${i}`)), null);
  assert.match(birthFault(Array.from({ length: 101 }, (_, i) => `t/${i}`)) ?? "", /more than 100 filters/);
  assert.match(birthFault(["a/".repeat(100)]) ?? "", /more than 100 levels/);
  assert.match(
    birthFault(Array.from({ length: 90 }, (_, i) => `${"x".repeat(95)}${i}`)) ?? "",
    /bytes, more than 8192/,
  );
});

test("decoding never throws", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      decodePresence(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.json(), (json) => {
      decodePresence(Buffer.from(json));
    }),
  );
});
