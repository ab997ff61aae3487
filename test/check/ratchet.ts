/** Compares a check's findings with what its directories are still allowed. */
import assert from "node:assert/strict";
import { ALLOWANCES, type Check } from "./allowances.ts";
import { areaOf, type Finding } from "./tree.ts";

const SHOWN = 20;

/** Fails with the findings of each directory that has more than its allowance. */
export function assertWithin(check: Check, findings: readonly Finding[]): void {
  const over = [...countByArea(findings)]
    .map(([area, count]) => ({ area, count, allowed: ALLOWANCES[check][area] ?? 0 }))
    .filter(({ count, allowed }) => count > allowed);
  const lines = over.flatMap(({ area, count, allowed }) => [
    `${area}: ${count} findings, ${allowed} allowed`,
    ...findings
      .filter(({ path }) => areaOf(path) === area)
      .slice(0, SHOWN)
      .map(({ path, line, text }) => `  ${path}:${line}: ${text}`),
  ]);
  assert.equal(over.length, 0, lines.join("\n"));
}

export function countByArea(findings: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of findings) counts.set(areaOf(path), (counts.get(areaOf(path)) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
