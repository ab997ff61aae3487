/** Removes faults and messages from a failing plan, one by one, as long as it still fails. */
import type { SimPlan } from "./sim-plan.ts";

/** @param fails called for each smaller plan */
export async function shrink(plan: SimPlan, fails: (plan: SimPlan) => Promise<boolean>): Promise<SimPlan> {
  let smallest = plan;
  for (const part of ["faults", "messages"] as const) {
    for (let i = 0; i < smallest[part].length; ) {
      const smaller: SimPlan = { ...smallest, [part]: smallest[part].filter((_, at) => at !== i) };
      if (await fails(smaller)) smallest = smaller;
      else i++;
    }
  }
  return smallest;
}
