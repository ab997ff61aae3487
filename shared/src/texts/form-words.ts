/** What a field of a recording must be (inspect/wire-form.ts), for the console and the command line. */
import type { Wanted } from "../inspect/wire-form.ts";
import type { Language } from "./language.ts";

type FormWords = Readonly<Record<Wanted, string>>;

/** Each completes a sentence that begins with the field's name. */
export const FORM_WORDS: Readonly<Record<Language, FormWords>> = {
  en: {
    object: "must be an object",
    list: "must be a list",
    text: "must be a text",
    number: "must be a number",
    count: "must be a whole number, 0 or more",
    time: "must be a time in milliseconds since 1970",
    state: "must be a state: a text, or an object of regions",
    known: "is missing or has an unknown value",
    shallow: "is nested deeper than 32 levels",
    recording: "does not belong to a recording, version 1",
  },
  ja: {
    object: "オブジェクトでなければなりません",
    list: "リストでなければなりません",
    text: "文字列でなければなりません",
    number: "数値でなければなりません",
    count: "0 以上の整数でなければなりません",
    time: "1970 年からのミリ秒でなければなりません",
    state: "状態 (文字列、またはリージョンのオブジェクト) でなければなりません",
    known: "がないか、不明な値です",
    shallow: "の入れ子が 32 段を超えています",
    recording: "は記録 (バージョン 1) のものではありません",
  },
};
