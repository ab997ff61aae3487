/** Work that a machine invokes and the test ends. It counts how often work began, and how much is in progress. */
import { fromPromise, type PromiseActorLogic } from "xstate";

export interface SimulatedWork<Output> {
  readonly logic: PromiseActorLogic<Output>;
  begun: number;
  /** Begun, not ended, and not abandoned by the machine. */
  running(): number;
  /** Ends the latest work. Resolves when the machine has received the result. */
  done(output: Output): Promise<void>;
  failed(): Promise<void>;
}

export function simulatedWork<Output>(): SimulatedWork<Output> {
  const underWay = new Set<{ readonly resolve: (output: Output) => void; readonly reject: (error: Error) => void }>();
  const end = async (how: (one: { resolve: (output: Output) => void; reject: (error: Error) => void }) => void) => {
    const latest = [...underWay].at(-1);
    if (latest === undefined) throw new Error("nothing is under way");
    underWay.delete(latest);
    how(latest);
    // Promise, actor and mailbox need several microtasks: one turn of the event loop runs them all.
    await new Promise((resolve) => setImmediate(resolve));
  };
  const work: SimulatedWork<Output> = {
    begun: 0,
    running: () => underWay.size,
    logic: fromPromise<Output>(({ signal }) => {
      work.begun++;
      return new Promise((resolve, reject) => {
        const one = { resolve, reject };
        underWay.add(one);
        signal.addEventListener("abort", () => underWay.delete(one));
      });
    }),
    done: (output) => end(({ resolve }) => resolve(output)),
    failed: () => end(({ reject }) => reject(new Error("failed, says the test"))),
  };
  return work;
}
