/** What the command says, and in which language. */
import type { Environment } from "../environment.ts";
import { english, type Texts } from "./english.ts";
import { japanese } from "./japanese.ts";

export type { Texts };

export const LANGUAGES = ["en", "ja"] as const;

export type Language = (typeof LANGUAGES)[number];

export function isLanguage(text: string): text is Language {
  return LANGUAGES.some((language) => language === text);
}

/** The language asked for, else that of the environment as POSIX orders it, else English. */
export function chooseTexts(asked: Language | null, env: Environment): Texts {
  const locale = env["LC_ALL"] || env["LC_MESSAGES"] || env["LANG"] || "";
  const language = asked ?? (/^ja(_|-|\.|$)/.test(locale) ? "ja" : "en");
  return language === "ja" ? japanese : english;
}

export function languageOf(texts: Texts): Language {
  return texts === japanese ? "ja" : "en";
}
