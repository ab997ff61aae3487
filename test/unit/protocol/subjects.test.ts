/** Subjects: one word for any name, nothing taken for `all`, and back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeWord, encodeWord, prefixFault, subjectMatches, subjectsUnder } from "@acktor/shared/protocol/subjects";
import fc from "fast-check";

// SUBJECTS-1
test("any name is encoded as one word, none is mistaken for `all`, and decoding returns the name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (name) => {
      const word = encodeWord(name);
      assert.doesNotMatch(word, /[.*>\s]/);
      assert.notEqual(word, "all");
      assert.equal(decodeWord(word), name);
    }),
  );
  assert.equal(encodeWord("all"), "%61ll");
  assert.equal(encodeWord("host.example-8080"), "host%2Eexample-8080");
});

test("a word that is not an encoded name is null", () => {
  assert.equal(decodeWord("%"), null);
  assert.equal(decodeWord("%ff"), null);
});

test("source and verb are read back, for any prefix and with dots", () => {
  for (const prefix of ["acktor.v1", "one", "a.b.c.d"]) {
    const subjects = subjectsUnder(prefix);
    const source = { service: "acker", instance: "host.example" };
    assert.deepEqual(subjects.sourceOf(subjects.event("acker", "host.example", "link")), source);
    assert.deepEqual(subjects.sourceOf(subjects.announce("acker", "host.example")), source);
    assert.equal(subjects.verbOf(subjects.command("publisher", "p.1", "breaker.open")), "breaker.open");
    assert.equal(subjects.verbOf(subjects.command("publisher", null, "pause")), "pause");
  }
});

test("an instance receives the commands for itself and for all of its service, and no others", () => {
  const subjects = subjectsUnder("acktor.v1");
  const heard = (instance: string, subject: string): boolean =>
    subjects.commandsFor("publisher", instance).some((pattern) => subjectMatches(pattern, subject));
  assert.equal(heard("p.1", subjects.command("publisher", "p.1", "breaker.open")), true);
  assert.equal(heard("p.1", subjects.command("publisher", null, "pause")), true);
  assert.equal(heard("p.1", subjects.command("publisher", "p.2", "pause")), false);
  assert.equal(heard("p.1", subjects.command("acker", "p.1", "pause")), false);
  assert.equal(heard("all", subjects.command("publisher", "all", "pause")), true);
  assert.equal(heard("other", subjects.command("publisher", "all", "pause")), false);
});

test("what every viewer listens to has the events, and not the viewers' own signs of life", () => {
  const subjects = subjectsUnder("acktor.v1");
  assert.equal(subjectMatches(subjects.allEvents, subjects.event("acker", "a.1", "link")), true);
  assert.equal(subjectMatches(subjects.allEvents, subjects.watch), false);
});

test("patterns match as a NATS server matches", () => {
  const cases: readonly (readonly [pattern: string, subject: string, matches: boolean])[] = [
    ["a.b", "a.b", true],
    ["a.b", "a.b.c", false],
    ["a.*", "a.b", true],
    ["a.*", "a", false],
    ["a.*", "a.b.c", false],
    ["a.>", "a.b.c", true],
    ["a.>", "a", false],
    [">", "a", true],
  ];
  for (const [pattern, subject, matches] of cases) assert.equal(subjectMatches(pattern, subject), matches, pattern);
});

test("a prefix is some plain words", () => {
  for (const good of ["acktor.v1", "a", "a-b.c_d.1"]) assert.equal(prefixFault(good), null, good);
  for (const bad of ["", ".", "a.", ".a", "a.*", "a.>", "a b", "a..b", "a.b.c.d.e.f.g"])
    assert.ok(prefixFault(bad), bad);
});
