/** JSON from strangers: what is too large, too deep or too many never reaches the parser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type JsonLimits, readJson, readJsonText } from "@acktor/shared/protocol/bounded-json";
import fc from "fast-check";
import { leastCpuMs } from "../../support/cpu.ts";

const LIMITS: JsonLimits = { maxBytes: 16 * 1024 * 1024, maxDepth: 32, maxValues: 100_000 };

function kindOf(text: string, limits: Partial<JsonLimits> = {}): string {
  const read = readJsonText(text, { ...LIMITS, ...limits });
  return read.ok ? "ok" : read.kind;
}

test("JSON-1: each limit has its kind, and the value on the limit passes", () => {
  assert.equal(kindOf("[1]", { maxBytes: 3 }), "ok");
  assert.equal(kindOf("[12]", { maxBytes: 3 }), "too_large");
  assert.equal(kindOf('"é"', { maxBytes: 3 }), "too_large");
  assert.equal(kindOf("[[1]]", { maxDepth: 2 }), "ok");
  assert.equal(kindOf("[[[1]]]", { maxDepth: 2 }), "too_deep");
  assert.equal(kindOf("[1,2]", { maxValues: 3 }), "ok");
  assert.equal(kindOf("[1,2,3]", { maxValues: 3 }), "too_many");
  assert.equal(kindOf('["ab"]', { maxTextBytes: 2 }), "ok");
  assert.equal(kindOf('["abc"]', { maxTextBytes: 2 }), "too_large");
});

test("JSON-1: brackets and commas inside strings count for nothing", () => {
  assert.equal(kindOf(JSON.stringify({ a: '[[[[,,,,{{{{"\\' }), { maxDepth: 1, maxValues: 4 }), "ok");
  assert.equal(kindOf('{"a":"\\\\","b":[[1]]}', { maxDepth: 2 }), "too_deep");
});

test("JSON-1: 8 MiB of brackets, and of backslashes, take less than 50 ms of CPU", async () => {
  const size = 8 * 1024 * 1024;
  for (const hostile of [
    "[".repeat(size),
    `"${"\\".repeat(size)}`,
    `${'"\\"'.repeat(size / 3)}`,
    "0,".repeat(size / 2),
  ]) {
    const bytes = Buffer.from(hostile);
    const limits = { ...LIMITS, maxBytes: 16 * 1024 * 1024, maxTextBytes: 2 * 1024 * 1024 };
    const cpuMs = await leastCpuMs(() => assert.equal(readJson(bytes, limits).ok, false));
    assert.ok(cpuMs < 50, `${cpuMs} ms for ${hostile.slice(0, 4)}…`);
  }
});

test("JSON-2, JSON-3: every text that JSON.parse reads within the limits reads the same here, and the rest is a value", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      const read = readJsonText(text, LIMITS);
      assert.ok(read.ok);
      assert.deepEqual(read.value, JSON.parse(text));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const read = readJson(bytes, LIMITS);
      assert.equal(typeof read.ok, "boolean");
    }),
  );
  const read = readJsonText('{"__proto__":{"a":1}}', LIMITS);
  assert.ok(read.ok);
  assert.deepEqual(Object.keys(read.value as object), ["__proto__"]);
});
