/** The text alternative of a chart: the machine and its active states. */
import type { MachineDefinition } from "@acktor/shared/inspect/wire";
import type { ChartWords } from "./words.ts";

/**
 * @param active null: the machine does not run
 * @returns names only the innermost active states; they imply the outer ones
 */
export function chartAlternative(
  { id, states }: MachineDefinition,
  active: ReadonlySet<string> | null,
  words: ChartWords,
): string {
  if (active === null) return words.chartOf(id, words.notRunning);
  const outer = new Set(states.map(({ parent }) => parent));
  const leaves = states.filter((state) => active.has(state.id) && !outer.has(state.id));
  return words.chartOf(id, leaves.map((state) => state.id.slice(id.length + 1)).join(", "));
}
