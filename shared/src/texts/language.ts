/**
 * Which language people read: English or Japanese. The console, the command line, the fault lab and the demonstration all ask
 * here.
 *
 * Invariants:
 *  LANGUAGE-1. The first wished language that is known is taken; English where none is.
 *  LANGUAGE-2. Of the environment only one variable counts: LC_ALL, else LC_MESSAGES, else LANG, as POSIX orders them.
 */

export const LANGUAGES = ["en", "ja"] as const;

export type Language = (typeof LANGUAGES)[number];

/** A text in both languages. */
export type Bilingual = Readonly<Record<Language, string>>;

export function isLanguage(text: string): text is Language {
  return LANGUAGES.some((language) => language === text);
}

/** @param wished in the order of preference: `ja`, `ja-JP` (BCP 47), `ja_JP.UTF-8` (POSIX) */
export function pickLanguage(wished: readonly string[]): Language {
  // LANGUAGE-1
  return wished.map((name) => name.split(/[-_.@]/)[0] ?? "").find(isLanguage) ?? "en";
}

/** @param asked for by an option; empty or undefined: the environment decides */
export function languageOf(asked: string | undefined, env: Readonly<Record<string, string | undefined>>): Language {
  // LANGUAGE-2: LC_ALL=C means English although LANG may say otherwise.
  return pickLanguage([asked || env["LC_ALL"] || env["LC_MESSAGES"] || env["LANG"] || ""]);
}
