/** Undoing what a test did, last done first: node:test runs `t.after` hooks in the order in which they were given. */
import type { TestContext } from "node:test";

type Undo = () => unknown;

const undoOf = new WeakMap<TestContext, Undo[]>();

/** Calls `undo` when the test has ended, after everything that was given later. A fault of one does not skip the others. */
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
