/**
 * The scenarios that break one line to the broker and nothing else, on a line whose bytes may be encrypted: for systems that
 * the lab did not start.
 *
 * Invariants:
 *  1. One scenario at a time.
 *  2. However it ends, also when it is given up, the line is whole again afterwards.
 */
import { pause } from "@acktor/shared/runtime/pause";
import { SCENARIOS } from "../scenarios/catalog.ts";
import { type Fault, type Scenario, scheduleOf } from "../scenarios/scenario.ts";
import { type Injection, injectIntoLines, type Line, type LineFault } from "./inject-lines.ts";

/** Of the catalogue: what is done to both services' lines, and without looking into them. */
export const LINE_SCENARIOS: readonly Scenario[] = SCENARIOS.filter(({ faults }) =>
  faults.every(({ fault }) => isOfBothLines(fault)),
);

function isOfBothLines(fault: Fault): fault is LineFault {
  if (!["cut", "one-way", "line", "half-open", "reset"].includes(fault.do) || !("lines" in fault)) return false;
  const lines: readonly string[] = fault.lines;
  return lines.includes("publisher.mqtt") && lines.includes("acker.mqtt");
}

/** Breaks a line by a scenario's schedule. @returns what it did to bytes and connections; 0: nothing was there to break */
export async function runLineFaults(
  line: Line,
  scenario: Scenario,
  seed: number,
  signal: AbortSignal,
): Promise<number> {
  const startedAt = performance.now();
  let hits = 0;
  for (const { atMs, forMs, fault } of scheduleOf(scenario, seed)) {
    if (!isOfBothLines(fault)) continue;
    if (!(await pause(Math.max(0, startedAt + atMs - performance.now()), signal))) break;
    const injection: Injection = injectIntoLines([line], fault);
    await pause(forMs, signal);
    await injection.end();
    hits += injection.hits();
  }
  return hits;
}
