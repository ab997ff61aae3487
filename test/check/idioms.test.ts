/** Plain English in comments, texts and pages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findIdioms, IDIOMS, idiomsIn } from "./idioms.ts";
import { assertNone } from "./no-findings.ts";
import { proseOf, proseOfSql } from "./prose.ts";

test("comments, texts and pages use no banned idiom", () => {
  assertNone(findIdioms());
});

test("an idiom is found across spaces and line breaks, an exception is not one", () => {
  const words = (text: string): string[] => idiomsIn(text).map((one) => one.words);
  assert.deepEqual(words("Nobody waits; it is\n told anew."), ["Nobody", "is told", "anew"]);
  assert.deepEqual(words("five messages at once, because of it, and there is none"), []);
  assert.deepEqual(words("the next follows at once"), ["at once"]);
});

test("every exception has its reason", () => {
  for (const idiom of IDIOMS) {
    const hasException = idiom.unlessAfter !== undefined || idiom.unlessBefore !== undefined;
    assert.equal(idiom.reason !== undefined, hasException, idiom.pattern);
  }
});

test("of code, comments and texts are read; names, imports and inline code are not", () => {
  const prose = proseOf("test/check/no-findings.ts");
  assert.ok(prose.includes("shows the first of them for each directory"));
  assert.ok(prose.includes(" findings"), "texts of templates");
  for (const code of ["assertNone", "node:assert"]) assert.equal(prose.includes(code), false, code);
});

test("of SQL every literal with a space is read, also behind one without", () => {
  const prose = proseOfSql("raise exception using errcode = 'check_violation',\n  hint = 'Nobody forges an ack';");
  assert.deepEqual([prose.includes("Nobody forges an ack"), prose.includes("errcode")], [true, false]);
});
