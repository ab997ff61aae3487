/** One picker of the language, for the console, the command line, the fault lab and the demonstration. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { languageOf, pickLanguage } from "@acktor/shared/texts/language";

test("LANGUAGE-1: the first known language is taken, as browsers and POSIX write it; else English", () => {
  const picked: readonly (readonly [readonly string[], string])[] = [
    [["ja"], "ja"],
    [["ja-JP", "en"], "ja"],
    [["ja_JP.UTF-8"], "ja"],
    [["ja.UTF-8"], "ja"],
    [["fr-FR", "ja"], "ja"],
    [["en-GB", "ja"], "en"],
    [["jam"], "en"],
    [["C"], "en"],
    [[""], "en"],
    [[], "en"],
  ];
  assert.deepEqual(
    picked.map(([wished]) => [wished, pickLanguage(wished)]),
    picked,
  );
});

test("LANGUAGE-2: an explicit choice comes first, then one environment variable in the order of POSIX", () => {
  assert.equal(languageOf(undefined, {}), "en");
  assert.equal(languageOf(undefined, { LANG: "ja_JP.UTF-8" }), "ja");
  assert.equal(languageOf("", { LANG: "ja_JP.UTF-8" }), "ja");
  assert.equal(languageOf(undefined, { LANG: "ja_JP.UTF-8", LC_ALL: "C" }), "en");
  assert.equal(languageOf(undefined, { LANG: "C", LC_MESSAGES: "ja" }), "ja");
  assert.equal(languageOf("en", { LANG: "ja_JP.UTF-8" }), "en");
  assert.equal(languageOf("ja", { LC_ALL: "C" }), "ja");
});
