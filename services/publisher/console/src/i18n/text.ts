/** Texts in the reader's language. */
import { language } from "../state/preferences.ts";
import { TEXTS } from "./texts.ts";

export type Key = keyof typeof TEXTS;
type Params = Readonly<Record<string, string | number>>;

/** The text of a key; `{name}` in it stands for a parameter. */
export function t(key: Key, params: Params = {}): string {
  return textOf(key, params) ?? key;
}

/** The text of a composed key; null where there is none, as for what a newer publisher sends. */
export function textOf(key: string, params: Params = {}): string | null {
  if (!Object.hasOwn(TEXTS, key)) return null;
  const text: string = TEXTS[key as Key][language.value];
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => String(params[name] ?? placeholder));
}
