/** The result of one check of the doctor. */

export type Verdict = "OK" | "WARN" | "FAIL";

export interface Check {
  /** For programs: `postgres`, `broker`, … */
  readonly check: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** Empty if OK. */
  readonly fix: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export function ok(check: string, found: string, data: Check["data"] = {}): Check {
  return { check, verdict: "OK", found, fix: "", data };
}

export function warn(check: string, found: string, fix: string, data: Check["data"] = {}): Check {
  return { check, verdict: "WARN", found, fix, data };
}

export function failed(check: string, found: string, fix: string, data: Check["data"] = {}): Check {
  return { check, verdict: "FAIL", found, fix, data };
}

const ORDER: readonly Verdict[] = ["OK", "WARN", "FAIL"];

/** The worst verdict; OK of no checks. */
export function worst(checks: readonly Check[]): Verdict {
  return ORDER[Math.max(0, ...checks.map(({ verdict }) => ORDER.indexOf(verdict)))] ?? "OK";
}

/** The median of several measurements; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
