/** What the command says, and in which language. */
import { type Language, languageOf } from "@acktor/shared/texts/language";
import type { Environment } from "../environment.ts";
import { english, type Texts } from "./english.ts";
import { japanese } from "./japanese.ts";

export type { Texts };

/** @param asked by `--lang`; null: the environment decides */
export function chooseTexts(asked: Language | null, env: Environment): Texts {
  return languageOf(asked ?? undefined, env) === "ja" ? japanese : english;
}
