/** Work that strangers cause: short slices, with rests between them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PacedWork } from "@acktor/publisher/control/paced-work";
import { RefusalBudget } from "@acktor/publisher/control/refusal-budget";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { keptLogger } from "../../support/kept-logger.ts";
import { testClock } from "../../support/test-clock.ts";
import { until } from "../../support/until.ts";

function rig(step: (count: number) => boolean) {
  const clock = testClock();
  const guard = new ListenerGuard({ logger: keptLogger().logger, clock });
  const counts = { steps: 0 };
  const work = { step: () => step(++counts.steps) };
  return { clock, guard, counts, paced: new PacedWork({ name: "work", work, guard, clock }) };
}

test("PACED-2: work that is alone is done before `wake` returns", () => {
  const { paced, counts } = rig((count) => count < 3);
  paced.wake();
  assert.equal(counts.steps, 3);
  paced.stop();
});

test("PACED-3: a step that throws ends its slice, not the process; the next slice continues with the next step", async () => {
  const { paced, counts, guard } = rig((count) => {
    if (count === 1) throw new Error("broken by the test");
    return count < 3;
  });
  paced.wake();
  assert.deepEqual([counts.steps, guard.failures], [1, 1]);
  await until(() => counts.steps === 3, 2_000);
  paced.stop();
});

test("BUDGET-2: callers beyond the bound share one budget", () => {
  const budget = new RefusalBudget(testClock());
  for (let n = 0; n < 1_000; n++) assert.equal(budget.admit(`caller ${n}`), 0);
  const admitted = Array.from({ length: 100 }, (_, n) => budget.admit(`stranger ${n}`)).filter((one) => one !== null);
  assert.equal(admitted.length, 60);
  assert.equal(budget.admit("caller 0"), 0, "the known ones keep their own");
});
