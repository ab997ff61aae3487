import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ackTopic,
  ackTopicId,
  dataFilterFault,
  destinationOf,
  filterFault,
  filterMatches,
  filterReaches,
  isUnder,
  reservedFault,
  topicFault,
} from "@acktor/shared/protocol/topics";
import fc from "fast-check";

/** Levels that meet often, with what regular expressions take for their own. */
const level = fc.oneof(
  fc.constantFrom("a", "b", "", "a.b", "[x]", "(y|z)", "^", "c$", "back\\slash", "{2}", "ünï", "🛰", "?", "*"),
  fc.string({ unit: "grapheme", maxLength: 4 }).map((text) => text.replace(/[/+#]/g, "-")),
);
const topic = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter((text) => topicFault(text) === null);
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 5 }), fc.boolean())
  .map(([levels, everythingBelow]) => [...levels, ...(everythingBelow ? ["#"] : [])].join("/"))
  .filter((text) => filterFault(text) === null);

/** MQTT 5, 4.7, word by word: what one level of the filter leaves of both. */
function selects(wanted: readonly string[], given: readonly string[]): boolean {
  const [first, ...rest] = wanted;
  if (first === undefined) return given.length === 0;
  if (first === "#") return true;
  const [head, ...tail] = given;
  if (head === undefined) return false;
  return (first === "+" || first === head) && selects(rest, tail);
}

test("a filter selects what the standard's definition selects", () => {
  fc.assert(
    fc.property(filter, topic, (f, t) => {
      assert.equal(filterMatches(f, t), selects(f.split("/"), t.split("/")));
    }),
    { numRuns: 500 },
  );
});

test("a filter made from a topic selects it", () => {
  const pair = topic.chain((t) => {
    const levels = t.split("/");
    return fc
      .record({
        wild: fc.array(fc.boolean(), { minLength: levels.length, maxLength: levels.length }),
        depth: fc.integer({ min: 0, max: levels.length }),
        hash: fc.boolean(),
      })
      .map(({ wild, depth, hash }) => {
        const loosened = levels.map((l, i) => (wild[i] ? "+" : l));
        return { t, f: hash ? [...loosened.slice(0, depth), "#"].join("/") : loosened.join("/") };
      });
  });
  fc.assert(
    fc.property(pair, ({ t, f }) => filterMatches(f, t)),
    { numRuns: 500 },
  );
});

test("wildcards do not select topics of the broker", () => {
  for (const f of ["#", "+/uptime", "+/#"]) assert.equal(filterMatches(f, "$SYS/uptime"), false);
  assert.equal(filterMatches("$SYS/#", "$SYS/uptime"), true);
});

const FILTERS: readonly (readonly [filter: string, topic: string, selected: boolean])[] = [
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["a/#", "ab", false],
  ["/#", "/", true],
  ["/#", "a", false],
  ["a/+", "a/", true],
  ["a/+", "a", false],
  ["a/+/#", "a/b", true],
  ["a/+/#", "a", false],
  ["+", "a/b", false],
  ["+/+", "/a", true],
  ["a", "a", true],
  ["a", "A", false],
];
for (const [f, t, selected] of FILTERS) {
  test(`${f} ${selected ? "selects" : "does not select"} ${t}`, () => {
    assert.equal(filterMatches(f, t), selected);
  });
}

const TOPIC_FAULTS: readonly (readonly [topic: string, reason: RegExp])[] = [
  ["", /empty/],
  ["$SYS/broker", /starts with \$/],
  ["a/+/b", /wildcard/],
  ["a/#", /wildcard/],
  ["a+b", /wildcard/],
  ["a\u0000b", /control/],
  ["a\nb", /control/],
  ["a\u007f", /control/],
  ["a\u0085", /control/],
  ["a/\ud800", /surrogate/],
  ["\udc00/b", /surrogate/],
  ["ä".repeat(32_768), /65535 bytes/],
  ["/".repeat(100), /100 levels/],
];
for (const [bad, reason] of TOPIC_FAULTS) {
  test(`topic ${JSON.stringify(bad.slice(0, 20))} is refused: ${reason.source}`, () => {
    assert.match(topicFault(bad) ?? "", reason);
  });
}

// TOPICS-1
test("topics at the limit are accepted", () => {
  for (const good of ["a", "/", "a b", "ä/🛰", "a$b", `${"ä".repeat(32_767)}x`, "/".repeat(99), "a/b/"]) {
    assert.equal(topicFault(good), null, JSON.stringify(good.slice(0, 20)));
  }
});

const FILTER_FAULTS: readonly (readonly [filter: string, reason: RegExp])[] = [
  ["", /empty/],
  ["a/#/b", /not the last level/],
  ["a#", /# inside/],
  ["a/b+", /\+ inside/],
  ["a/++", /\+ inside/],
  ["a\u0000", /control/],
  ["\ud83d", /surrogate/],
  ["x".repeat(65_536), /65535 bytes/],
];
for (const [bad, reason] of FILTER_FAULTS) {
  test(`filter ${JSON.stringify(bad.slice(0, 20))} is refused: ${reason.source}`, () => {
    assert.match(filterFault(bad) ?? "", reason);
  });
}

test("a filter without wildcards is a topic, and the other way round", () => {
  fc.assert(fc.property(topic, (t) => filterFault(t) === null && filterMatches(t, t)));
});

test("a filter reaches a prefix when it selects some topic there, and else not", () => {
  const prefix = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
  const below = fc.array(fc.constantFrom("a", "b", "", "x"), { maxLength: 4 });
  const near = fc
    .tuple(fc.array(fc.constantFrom("a", "b", "c", "+"), { minLength: 1, maxLength: 5 }), fc.boolean())
    .map(([levels, everythingBelow]) => [...levels, ...(everythingBelow ? ["#"] : [])].join("/"));
  fc.assert(
    fc.property(near, prefix, below, (f, own, rest) => {
      const selects = filterMatches(f, [...own, ...rest].join("/"));
      assert.ok(!selects || filterReaches(f, own.join("/")), "no filter that reaches is missed");
    }),
    { numRuns: 2_000 },
  );
  fc.assert(
    fc.property(near, prefix, (f, own) => {
      if (!filterReaches(f, own.join("/"))) return;
      const witness = f
        .split("/")
        .map((l, i) => (l === "+" || l === "#" ? (own[i] ?? "x") : l))
        .slice(0, f.endsWith("#") ? undefined : f.split("/").length);
      const topic = [...witness, ...own.slice(witness.length)].join("/");
      assert.ok(
        filterMatches(f, topic) && isUnder(topic, own.join("/")),
        `${f} selects ${topic} under ${own.join("/")}`,
      );
    }),
    { numRuns: 2_000 },
  );
});

const OWN = ["delivery/ack", "delivery/acker"];
for (const bad of [
  "#",
  "+/#",
  "delivery/#",
  "delivery/+",
  "delivery/+/#",
  "delivery/ack",
  "delivery/ack/#",
  "delivery/ack/+",
  "delivery/acker/x",
  "+/ack/#",
  "+/ack",
  "+/+/+",
  "+/acker/+",
  "delivery/ack/a/b",
]) {
  test(`TOPICS-3: ${bad} selects our own topics, and is refused with the prefix and the way out`, () => {
    assert.match(dataFilterFault(bad, OWN) ?? "", /selects topics under delivery\/acke?r?, .* Name the data topics/);
  });
}
test("TOPICS-3: filters that select none of them are accepted; the broker's topics and shared subscriptions are not", () => {
  for (const good of ["delivery", "+", "sensors/#", "delivery/acks/#", "+/acks/#", "Delivery/ack/#", "/delivery/ack"])
    assert.equal(dataFilterFault(good, OWN), null, good);
  assert.match(dataFilterFault("$SYS/#", OWN) ?? "", /starts with \$/);
  assert.match(dataFilterFault("$share/g/data/#", OWN) ?? "", /ACKTOR_GROUP=g/);
});

// TOPICS-2
test("no message is published under our own prefixes, every other topic is", () => {
  const own = ["delivery/ack", "delivery/acker"];
  for (const bad of ["delivery/ack", "delivery/ack/", "delivery/ack/1", "delivery/ack/1/2", "delivery/acker/x"]) {
    assert.match(reservedFault(bad, own) ?? "", /keeps for itself/, bad);
  }
  for (const good of ["delivery", "delivery/acknowledged", "delivery/acke", "Delivery/ack/1", "x/delivery/ack/1"]) {
    assert.equal(reservedFault(good, own), null, good);
  }
  assert.match(reservedFault("delivery/acker/x", own) ?? "", /delivery\/acker,/);
});

test("what is under a prefix is the prefix itself and what follows a slash", () => {
  fc.assert(
    fc.property(topic, topic, (prefix, rest) => {
      assert.equal(isUnder(`${prefix}/${rest}`, prefix), true);
      assert.equal(isUnder(prefix, prefix), true);
      assert.equal(isUnder(`${prefix}x/${rest}`, prefix), false);
    }),
  );
});

test("an ack topic gives its id back, and nothing else does", () => {
  fc.assert(
    fc.property(
      topic,
      level.filter((l) => l !== ""),
      (prefix, id) => {
        assert.equal(ackTopicId(prefix, ackTopic(prefix, id)), id);
        assert.equal(ackTopicId(prefix, `${prefix}/${id}/more`), null);
      },
    ),
  );
  for (const other of ["delivery/ack", "delivery/ack/", "delivery/acker/x", "x"]) {
    assert.equal(ackTopicId("delivery/ack", other), null, other);
  }
});

test("a destination is the topic's first levels, and the same for each topic below them", () => {
  fc.assert(
    fc.property(topic, fc.integer({ min: 0, max: 8 }), (t, levels) => {
      const wanted = levels === 0 ? t : t.split("/").slice(0, levels).join("/");
      assert.equal(destinationOf(t, levels), wanted);
      assert.equal(destinationOf(wanted, levels), wanted);
    }),
  );
});
