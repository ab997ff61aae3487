/** Undoes what a test did, in reverse order. node:test itself runs `t.after` hooks in the order of their registration. */
import type { TestContext } from "node:test";

type Undo = () => unknown;

const undoOf = new WeakMap<TestContext, Undo[]>();

/** Calls `undo` when the test has ended, after every undo that was registered later. A failing undo does not skip the others. */
export function cleanUp(t: TestContext, undo: Undo): void {
  const known = undoOf.get(t);
  if (known !== undefined) {
    known.push(undo);
    return;
  }
  const list = [undo];
  undoOf.set(t, list);
  t.after(async () => {
    const faults: unknown[] = [];
    for (let next = list.pop(); next !== undefined; next = list.pop()) {
      try {
        await next();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length === 1) throw faults[0];
    if (faults.length > 1) throw new AggregateError(faults, "cleaning up failed");
  });
}
