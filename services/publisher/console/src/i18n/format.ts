/** Numbers, durations and times in the reader's language. */
import { language } from "../state/preferences.ts";
import { t } from "./text.ts";

const LOCALES = { en: "en-GB", ja: "ja-JP" } as const;

export function count(value: number): string {
  return new Intl.NumberFormat(LOCALES[language.value]).format(value);
}

/** A rate or percentage: one decimal below 10, none above. */
export function decimal(value: number): string {
  const digits = Math.abs(value) < 10 ? 1 : 0;
  return new Intl.NumberFormat(LOCALES[language.value], { maximumFractionDigits: digits }).format(value);
}

/** A percentage, with enough decimals to distinguish 99.998 from 100. */
export function percent(value: number): string {
  const text = new Intl.NumberFormat(LOCALES[language.value], { maximumFractionDigits: 3 }).format(value);
  return `${text} %`;
}

const UNITS = {
  en: { ms: " ms", second: " s", minute: " min", hour: " h", day: " d" },
  ja: { ms: " ms", second: " 秒", minute: " 分", hour: " 時間", day: " 日" },
} as const;

/** Milliseconds, in a readable unit. */
export function duration(ms: number): string {
  const { ms: millis, second, minute, hour, day } = UNITS[language.value];
  if (ms < 10) return `${ms.toFixed(1)}${millis}`;
  if (ms < 1_000) return `${Math.round(ms)}${millis}`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)}${second}`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)}${second}`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}${minute} ${Math.floor((ms % 60_000) / 1_000)}${second}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${hour} ${minutes % 60}${minute}`;
  return `${Math.floor(hours / 24)}${day} ${hours % 24}${hour}`;
}

export function ago(ms: number): string {
  return t("time.ago", { time: duration(Math.max(0, ms)) });
}

/** `20:15:03.123`, local time. */
export function clockTime(ms: number): string {
  const time = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const millis = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${millis}`;
}

/** Date and time, local. */
export function dateTime(iso: string | number): string {
  return new Date(iso).toLocaleString(LOCALES[language.value], { dateStyle: "medium", timeStyle: "medium" });
}
