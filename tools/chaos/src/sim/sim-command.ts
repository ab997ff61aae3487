/** The command `sim`. Exit codes: 0 every invariant held, 1 a seed failed, 130 interrupted. */
import { standardOutput } from "@acktor/shared/runtime/terminal-door";
import { shrink } from "./shrink.ts";
import { planFor, type SimPlan } from "./sim-plan.ts";
import { simulate } from "./simulate.ts";

export interface SimCommandOptions {
  readonly seeds: number;
  readonly seed?: number;
  readonly trace?: boolean;
}

const MOST_SHOWN = 5;

export async function simCommand(
  { seeds, seed, trace = false }: SimCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  if (seed !== undefined) return showSeed(planFor(seed), trace);
  const begin = performance.now();
  const failed: SimPlan[] = [];
  let steps = 0;
  let accepted = 0;
  let done = 0;
  for (; done < seeds && !signal.aborted; done++) {
    const plan = planFor(done + 1);
    const result = await simulate(plan);
    steps += result.steps;
    accepted += result.accepted;
    if (result.broken === null) continue;
    failed.push(plan);
    standardOutput.say(`seed ${plan.seed}: ${result.broken}`);
    if (failed.length >= MOST_SHOWN) break;
  }
  const seconds = (performance.now() - begin) / 1_000;
  const rate = `${(done / seconds).toFixed(0)} seeds/s, ${Math.round(steps / seconds)} steps/s`;
  standardOutput.say(`${done} seeds, ${accepted} messages, ${steps} steps in ${seconds.toFixed(1)} s (${rate})`);
  for (const plan of failed.slice(0, 1)) await showSmallest(plan);
  if (signal.aborted) return 130;
  standardOutput.say(failed.length === 0 ? "every invariant held" : `FAILED: ${failed.length} seeds`);
  return failed.length === 0 ? 0 : 1;
}

async function showSeed(plan: SimPlan, trace: boolean): Promise<number> {
  const result = await simulate(plan, trace);
  for (const line of result.trace) standardOutput.say(line);
  standardOutput.say(`seed ${plan.seed}: ${result.broken ?? "every invariant held"} (${result.steps} steps)`);
  if (result.broken === null) return 0;
  await showSmallest(plan);
  return 1;
}

async function showSmallest(plan: SimPlan): Promise<void> {
  const fails = async (smaller: SimPlan): Promise<boolean> => (await simulate(smaller)).broken !== null;
  const smallest = await shrink(plan, fails);
  const { broken } = await simulate(smallest);
  standardOutput.say(
    `smallest failing plan of seed ${plan.seed}: ${smallest.messages.length} messages, ${smallest.faults.length} faults`,
  );
  for (const { fault, atMs, forMs } of smallest.faults) standardOutput.say(`  ${atMs} ms: ${fault} for ${forMs} ms`);
  standardOutput.say(`  ${broken}`);
}
