/** Fails a check that has findings, and shows the first of them for each directory. */
import assert from "node:assert/strict";
import { areaOf, type Finding } from "./tree.ts";

const SHOWN = 20;

export function assertNone(findings: readonly Finding[]): void {
  const lines = [...countByArea(findings)].flatMap(([area, count]) => [
    `${area}: ${count} findings`,
    ...findings
      .filter(({ path }) => areaOf(path) === area)
      .slice(0, SHOWN)
      .map(({ path, line, text }) => `  ${path}:${line}: ${text}`),
  ]);
  assert.equal(findings.length, 0, lines.join("\n"));
}

function countByArea(findings: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of findings) counts.set(areaOf(path), (counts.get(areaOf(path)) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
