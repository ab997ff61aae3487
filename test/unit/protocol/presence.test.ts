import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePresence, encodePresence, type Presence } from "@acktor/shared/protocol/presence";
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

test("a presence record comes back as it was sent", () => {
  fc.assert(
    fc.property(presence, (p) => {
      assert.deepEqual(decodePresence(Buffer.from(encodePresence(p))), p);
    }),
  );
});

test("an empty payload clears, and is no record", () => {
  assert.equal(decodePresence(Buffer.alloc(0)), null);
});

const record = { instance: "one", status: "online", filters: ["a/#"], since: 1 };
const BAD: Readonly<Record<string, unknown>> = {
  "no instance": { ...record, instance: undefined },
  "an instance that is no text": { ...record, instance: 1 },
  "an unknown status": { ...record, status: "away" },
  "filters that are no list": { ...record, filters: "a/#" },
  "a filter that is no text": { ...record, filters: [1] },
  "a filter that no broker takes": { ...record, filters: ["a/#/b"] },
  "a filter with a control character": { ...record, filters: ["a\u0001"] },
  "more than 1,000 filters": { ...record, filters: Array.from({ length: 1_001 }, (_, i) => `t/${i}`) },
  "an array": [record],
  null: null,
};
for (const [what, bad] of Object.entries(BAD)) {
  test(`${what} is no presence record`, () => assert.equal(decodePresence(Buffer.from(JSON.stringify(bad))), null));
}

test("a record without a time is as old as can be", () => {
  const { since: _, ...timeless } = record;
  assert.equal(decodePresence(Buffer.from(JSON.stringify(timeless)))?.since, 0);
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
