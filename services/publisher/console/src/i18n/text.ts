/** Words in the reader's language. */
import { language } from "../state/preferences.ts";
import { en } from "./en.ts";
import { ja } from "./ja.ts";

export type Key = keyof typeof en;
type Params = Readonly<Record<string, string | number>>;

const TABLES = { en, ja } as const;

/** The text of a key; `{name}` in it stands for a parameter. */
export function t(key: Key, params: Params = {}): string {
  const text: string | undefined = TABLES[language.value][key];
  // What another version says may have no words here yet.
  return (text ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** The text of a key that was put together, or null when there is none. */
export function textOf(key: string, params: Params = {}): string | null {
  return key in en ? t(key as Key, params) : null;
}
