/** The console and the command line use the glossary's words, in both languages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { english } from "@acktor/cli/texts/english";
import { japanese } from "@acktor/cli/texts/japanese";
import { DATABASE_KINDS } from "@acktor/shared/runtime/database-state";
import { GLOSSARY, type Term } from "@acktor/shared/texts/glossary";
import { TEXTS } from "../../../services/publisher/console/src/i18n/texts.ts";

interface Pair {
  readonly key: string;
  readonly en: string;
  readonly ja: string;
}

const TERMS = GLOSSARY.flatMap(({ terms }) => terms);

const CONSOLE: readonly Pair[] = Object.entries(TEXTS).map(([key, { en, ja }]) => {
  return { key, en: withoutParameters(en), ja: withoutParameters(ja) };
});
const COMMAND_LINE = pairs(english, japanese, "cli");

/** Parameters are named by code. */
function withoutParameters(text: string): string {
  return text.replaceAll(/\{\w+\}/g, "…");
}

/** Every text of the command line; one with parameters is called with dots. */
function pairs(en: unknown, ja: unknown, key: string): Pair[] {
  if (typeof en === "string" && typeof ja === "string") return [{ key, en, ja }];
  if (typeof en === "function" && typeof ja === "function") {
    if (key.endsWith(".databaseState"))
      return DATABASE_KINDS.map((kind) => ({
        key: `${key}.${kind}`,
        en: wordsOf(en as Text, kind),
        ja: wordsOf(ja as Text, kind),
      }));
    return [{ key, en: called(en as Text), ja: called(ja as Text) }];
  }
  if (typeof en !== "object" || en === null || key.endsWith(".titles")) return [];
  return Object.entries(en).flatMap(([name, inner]) =>
    pairs(inner, (ja as Record<string, unknown>)[name], `${key}.${name}`),
  );
}

type Text = (...params: unknown[]) => string;

function wordsOf(text: (kind: string) => unknown, kind: string): string {
  return JSON.stringify(text(kind));
}

function called(text: Text): string {
  return text(...Array.from({ length: text.length }, () => ["…"]));
}

/** Japanese has no spaces between words; a Latin word has its bounds. */
function contains(text: string, word: string): boolean {
  return /^[\x20-\x7e]+$/.test(word) ? new RegExp(`\\b${word}\\b`, "i").test(text) : text.includes(word);
}

function formsOf({ word, forms }: Term): readonly string[] {
  return forms ?? [word.ja];
}

for (const [place, texts] of [
  ["console", CONSOLE],
  ["command line", COMMAND_LINE],
] as const) {
  test(`the ${place} holds no word that the glossary replaces`, () => {
    assert.ok(texts.length > 200);
    const wrong = TERMS.flatMap(({ not }) =>
      texts.flatMap(({ key, en, ja }) => [
        ...(not?.en ?? []).filter((word) => contains(en, word)).map((word) => `${key}: ${word}`),
        ...(not?.ja ?? []).filter((word) => contains(ja, word)).map((word) => `${key}: ${word}`),
      ]),
    );
    assert.deepEqual(wrong, []);
  });

  test(`the ${place} names a term by its Japanese word, and not by another term's`, () => {
    const wrong = texts.flatMap(({ key, en, ja }) =>
      TERMS.filter(({ when }) => when !== undefined).flatMap((term) => {
        if (term.when?.test(en)) {
          return formsOf(term).some((form) => contains(ja, form)) ? [] : [`${key}: ${term.word.en} → ${ja}`];
        }
        return (term.only ?? []).filter((form) => contains(ja, form)).map((form) => `${key}: ${form} ← ${en}`);
      }),
    );
    assert.deepEqual(wrong, []);
  });
}

test("a term has one word and one meaning in each language, and no word is another term's", () => {
  for (const language of ["en", "ja"] as const) {
    const words = TERMS.map(({ word }) => word[language]);
    assert.equal(new Set(words).size, words.length, language);
    const replaced = TERMS.flatMap(({ not }) => not?.[language] ?? []);
    assert.deepEqual(
      replaced.filter((word) => words.includes(word)),
      [],
    );
    for (const { meaning } of TERMS) assert.match(meaning[language], /[.。]$/);
  }
});
