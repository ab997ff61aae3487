/**
 * Runs the scenarios that break only the lines to the broker, also when the lines are encrypted. For systems that the lab
 * did not start.
 *
 * Invariants:
 *  LINE_FAULTS-1. After the run the line is healed, also when the run was aborted.
 */
import { pause } from "@acktor/shared/runtime/pause";
import { SCENARIOS } from "../scenarios/catalog.ts";
import { type Fault, type Scenario, scheduleOf } from "../scenarios/scenario.ts";
import { type Injection, injectIntoLines, type Line, type LineFault } from "./inject-lines.ts";

/** Scenarios of the catalogue that break the lines of both services without inspecting packets. */
export const LINE_SCENARIOS: readonly Scenario[] = SCENARIOS.filter(({ faults }) =>
  faults.every(({ fault }) => isOfBothLines(fault)),
);

function isOfBothLines(fault: Fault): fault is LineFault {
  if (!["cut", "one-way", "line", "half-open", "reset"].includes(fault.do) || !("lines" in fault)) return false;
  const lines: readonly string[] = fault.lines;
  return lines.includes("publisher.mqtt") && lines.includes("acker.mqtt");
}

/** Breaks a line by the schedule of a scenario. @returns the number of hits; 0: there was nothing to break */
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
    // LINE_FAULTS-1
    await injection.end();
    hits += injection.hits();
  }
  return hits;
}
