/** Many filters as one tree: it selects what the filters select one by one, at a cost that no filter can raise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import { filterFault, filterMatches, topicFault } from "@acktor/shared/protocol/topics";
import fc from "fast-check";
import { leastCpuMs } from "../../support/cpu.ts";

const level = fc.constantFrom("a", "b", "", "ünï", "$x", "c");
const topic = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join("/"))
  .filter((text) => text.length > 0);
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 6 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ["#"] : [])].join("/"))
  .filter((text) => filterFault(text) === null);

test("TREE-1: a tree selects what one of its filters selects", () => {
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 70 }), fc.array(topic, { maxLength: 20 }), (filters, topics) => {
      const tree = new TopicTree(filters);
      for (const one of topics) {
        assert.equal(
          tree.matches(one),
          filters.some((f) => filterMatches(f, one)),
          one,
        );
      }
    }),
    { numRuns: 2_000 },
  );
});

test("TREE-1: a tree reaches what lies above a topic that it selects, and every topic that it selects", () => {
  fc.assert(
    fc.property(fc.array(filter, { maxLength: 40 }), topic, fc.nat(5), (filters, one, levels) => {
      const tree = new TopicTree(filters);
      const above = one
        .split("/")
        .slice(0, levels + 1)
        .join("/");
      if (tree.matches(one) && topicFault(above) === null) assert.equal(tree.reaches(above), true, above);
    }),
    { numRuns: 2_000 },
  );
  const tree = new TopicTree(["plant/+/pressure", "x/#"]);
  for (const [above, reached] of [
    ["plant", true],
    ["plant/1", true],
    ["plant/1/temperature", false],
    ["plant/1/pressure/more", false],
    ["x/y/z", true],
    ["y", false],
  ] as const) {
    assert.equal(tree.reaches(above), reached, above);
  }
});

test("a tree without filters selects nothing", () => {
  assert.equal(new TopicTree([]).matches("a"), false);
  assert.equal(new TopicTree([]).reaches("a"), false);
});

test("TREE-2: 10,000 topics against hostile filters cost less than 50 ms of CPU", async () => {
  const deep = Array.from({ length: 10_000 }, (_, i) => `${"a/".repeat(38)}${i}`);
  for (const [name, filters] of Object.entries(HOSTILE)) {
    const cpuMs = await leastCpuMs(() => {
      const tree = new TopicTree(filters);
      for (const one of deep) tree.matches(one);
    });
    assert.ok(cpuMs < 50, `${name}: ${cpuMs} ms`);
  }
});

/** `+` and a text side by side, so that all filters stay in the race to the last level. */
const HOSTILE: Readonly<Record<string, readonly string[]>> = {
  "wildcards and texts mixed": Array.from({ length: 100 }, (_, i) => {
    const bits = Array.from({ length: 38 }, (_, at) => ((i >> (at % 7)) & 1 ? "+" : "a"));
    return `${bits.join("/")}/x`;
  }),
  "all wildcards": Array.from({ length: 100 }, (_, i) => `${"+/".repeat(38)}x${i}`),
  "wildcards and everything below": Array.from({ length: 100 }, () => `${"+/".repeat(39)}#`),
};
