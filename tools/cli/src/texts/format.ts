/** Numbers, times and durations for people. */

/** 12,345; the same in both languages. */
export function formatNumber(value: number): string {
  return value.toLocaleString("en-US");
}

/** ISO 8601 → `2026-11-26 20:15:03Z`, to the second; "-" for none. */
export function formatTime(time: string | null): string {
  if (time === null) return "-";
  return time.replace("T", " ").replace(/(:\d\d)(\.\d+)?Z?$/, "$1Z");
}

const UNITS = {
  en: { d: "d", h: "h", m: "min", s: "s", ms: "ms", gap: " " },
  ja: { d: "日", h: "時間", m: "分", s: "秒", ms: "ミリ秒", gap: "" },
} as const;

/** A duration by its two largest units: `2 h 3 min`, `2時間3分`. */
export function formatAge(ms: number, lang: "en" | "ja"): string {
  const { gap, ...names } = UNITS[lang];
  const join = (value: number, unit: keyof typeof names): string => `${value}${gap}${names[unit]}`;
  if (ms < 1_000) return join(Math.round(ms), "ms");
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return join(Number((ms / 1_000).toFixed(1)), "s");
  const parts: readonly [number, keyof typeof names][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => join(value, unit))
    .join(gap);
}
