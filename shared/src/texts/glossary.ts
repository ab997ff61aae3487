/**
 * The terms of acktor in English and Japanese: one word for one thing. The console, the command line and the docs use these
 * words; docs/reference/glossary.md and glossary.ja.md are generated from this list. No program reads it when it runs.
 *
 * test/unit/texts/glossary.test.ts holds two rules:
 *  1. A text of the console or the command line holds none of the words in `not`.
 *  2. Where the English text matches `when`, the Japanese text of the same key holds the term's Japanese word, and
 *     the reverse: a Japanese word of `only` is used only where the English text matches `when`.
 */
import type { Bilingual, Language } from "./language.ts";
import { DELIVERY_TERMS } from "./terms-of-delivery.ts";
import { OPERATION_TERMS } from "./terms-of-operation.ts";
import { TROUBLE_TERMS } from "./terms-of-trouble.ts";

export interface Term {
  readonly word: Bilingual;
  readonly meaning: Bilingual;
  /** Words that are not used for it. English: whole words, any case. GLOSSARY-1 */
  readonly not?: Partial<Readonly<Record<Language, readonly string[]>>>;
  /** The English use of the term. GLOSSARY-2 */
  readonly when?: RegExp;
  /** Japanese forms, one of which stands for `when`; left out: `word.ja` alone. */
  readonly forms?: readonly string[];
  /** Japanese forms that mean this term and no other. */
  readonly only?: readonly string[];
}

export interface TermGroup {
  readonly title: Bilingual;
  readonly terms: readonly Term[];
}

export const GLOSSARY: readonly TermGroup[] = [
  { title: { en: "Delivery", ja: "配信" }, terms: DELIVERY_TERMS },
  { title: { en: "When something fails", ja: "うまくいかないとき" }, terms: TROUBLE_TERMS },
  { title: { en: "Operation", ja: "運用" }, terms: OPERATION_TERMS },
];
