/**
 * A role that repeats one piece of work: expiry, retention, counting, probing, health.
 *
 *   WAITING  until the interval is over, or `work.now` arrives
 *   WORKING  one run is under way
 *
 * Invariants:
 *  PERIODIC-1. At most one run is under way; the interval counts from the end of a run, so that runs never pile up.
 *  PERIODIC-2. A run that fails is tried again after a pause that doubles up to sixteen intervals; nothing else stops the role.
 */
import { assign, fromPromise, setup } from "xstate";

export interface PeriodicInput {
  readonly intervalMs: number;
}

export interface PeriodicContext extends PeriodicInput {
  readonly runs: number;
  readonly failures: number;
}

/** `more`: there was more to do than one run may take; the next one follows immediately. */
export interface PeriodicOutput {
  readonly more: boolean;
}

export const periodicMachine = setup({
  types: {
    context: {} as PeriodicContext,
    input: {} as PeriodicInput,
    events: {} as { readonly type: "work.now" },
  },
  actors: {
    work: fromPromise<PeriodicOutput>(() => Promise.reject(new Error("the work is provided by the role"))),
  },
  actions: {
    noteRun: assign({ runs: ({ context }) => context.runs + 1, failures: 0 }),
    noteFailure: assign({ failures: ({ context }) => context.failures + 1 }),
  },
  guards: {
    moreToDo: (_, params: PeriodicOutput) => params.more,
  },
  delays: {
    // PERIODIC-2
    interval: ({ context }) => context.intervalMs * 2 ** Math.min(4, context.failures),
  },
}).createMachine({
  id: "periodic",
  context: ({ input }) => ({ ...input, runs: 0, failures: 0 }),
  initial: "WORKING",
  states: {
    // PERIODIC-1
    WAITING: {
      on: { "work.now": "WORKING" },
      after: { interval: "WORKING" },
    },
    WORKING: {
      invoke: {
        id: "work",
        src: "work",
        onDone: [
          {
            guard: { type: "moreToDo", params: ({ event }) => event.output },
            actions: "noteRun",
            target: "WORKING",
            reenter: true,
          },
          { actions: "noteRun", target: "WAITING" },
        ],
        onError: { actions: "noteFailure", target: "WAITING" },
      },
    },
  },
});
