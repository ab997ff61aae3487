/**
 * The life of a service: STARTING RUNNING PAUSED DRAINING STOPPED. Pure: what starting, a role and draining are comes
 * in by `provide` (start-supervisor.ts), and so do the delays.
 *
 * Invariants:
 *  1. Roles run in RUNNING, PAUSED and DRAINING, each at most once; in STOPPED none does.
 *  2. A role that ends, by an error or by itself, is started again after a growing delay; a delay that is over in
 *     DRAINING starts nothing. A role that held for the `steady` delay begins again with the shortest.
 *  3. A stop is possible in any state, early and twice; STOPPED comes at the latest `drainDeadline` after it.
 *  4. A failed start drains too: what was half started is closed by the same path.
 */
import { assign, type EventObject, enqueueActions, fromCallback, fromPromise, setup } from "xstate";

export interface SupervisorInput {
  /** Names of the roles; the logic behind them is the provided actor `role`. */
  readonly roles: readonly string[];
}

export interface SupervisorContext {
  readonly roles: readonly string[];
  /** Failures of each role since it last held. */
  readonly failures: Readonly<Record<string, number>>;
  /** Why the service will never start, or null. */
  readonly fault: string | null;
}

/** `ok: false`: it never will (a database that is newer than the code); what may heal is waited for inside. */
export type Prepared = { readonly ok: true } | { readonly ok: false; readonly fault: string };

export type SupervisorEvent =
  | { readonly type: "supervisor.pause" }
  | { readonly type: "supervisor.resume" }
  | { readonly type: "supervisor.stop" }
  /** From a role's actor; `error` is null when it ended by itself. */
  | { readonly type: "role.ended"; readonly role: string; readonly error: unknown }
  | { readonly type: "role.restart"; readonly role: string }
  | { readonly type: "role.steady"; readonly role: string };

export interface RoleInput {
  readonly role: string;
}

const restartId = (role: string): string => `restart:${role}`;
const steadyId = (role: string): string => `steady:${role}`;
/** The role that an event is about; "" for events that are about none. */
const roleOf = (event: SupervisorEvent): string => ("role" in event ? event.role : "");

export const supervisorMachine = setup({
  types: {
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    input: {} as SupervisorInput,
    output: {} as { readonly fault: string | null },
  },
  actors: {
    prepare: fromPromise<Prepared>(async () => ({ ok: true })),
    role: fromCallback<EventObject, RoleInput>(() => undefined),
    drain: fromPromise<void>(async () => undefined),
  },
  delays: { restart: 1_000, steady: 60_000, drainDeadline: 4_500 },
  guards: {
    isPrepared: (_, params: Prepared) => params.ok,
  },
  actions: {
    pauseWork: () => undefined,
    resumeWork: () => undefined,
    reportRole: () => undefined,
    startRoles: enqueueActions(({ context, enqueue }) => {
      for (const role of context.roles) {
        enqueue.spawnChild("role", { id: role, input: { role } });
        enqueue.raise({ type: "role.steady", role }, { id: steadyId(role), delay: "steady" });
      }
    }),
    countFailure: assign(({ context, event }) => {
      const role = roleOf(event);
      return { failures: { ...context.failures, [role]: (context.failures[role] ?? 0) + 1 } };
    }),
    restartLater: enqueueActions(({ enqueue, event }) => {
      const role = roleOf(event);
      enqueue.cancel(steadyId(role));
      enqueue.raise({ type: "role.restart", role }, { id: restartId(role), delay: "restart" });
    }),
    restartRole: enqueueActions(({ enqueue, event }) => {
      const role = roleOf(event);
      enqueue.stopChild(role);
      enqueue.spawnChild("role", { id: role, input: { role } });
      enqueue.raise({ type: "role.steady", role }, { id: steadyId(role), delay: "steady" });
    }),
    forgiveRole: assign(({ context, event }) => {
      return { failures: { ...context.failures, [roleOf(event)]: 0 } };
    }),
    stopRoles: enqueueActions(({ context, enqueue }) => {
      for (const role of context.roles) enqueue.stopChild(role);
    }),
    noteFault: assign(({ event }) => ({ fault: faultIn(event) })),
  },
}).createMachine({
  id: "supervisor",
  context: ({ input }) => ({ roles: input.roles, failures: {}, fault: null }),
  output: ({ context }) => ({ fault: context.fault }),
  initial: "STARTING",
  states: {
    STARTING: {
      invoke: {
        id: "prepare",
        src: "prepare",
        onDone: [
          {
            guard: { type: "isPrepared", params: ({ event }) => event.output },
            target: "RUNNING",
            actions: "startRoles",
          },
          { target: "DRAINING", actions: "noteFault" },
        ],
        onError: { target: "DRAINING", actions: "noteFault" },
      },
      on: { "supervisor.stop": "DRAINING" },
    },
    RUNNING: {
      on: {
        "supervisor.pause": { target: "PAUSED", actions: "pauseWork" },
        "supervisor.stop": "DRAINING",
        "role.restart": { actions: "restartRole" },
        "role.steady": { actions: "forgiveRole" },
        "role.ended": { actions: ["countFailure", "reportRole", "restartLater"] },
      },
    },
    PAUSED: {
      on: {
        "supervisor.resume": { target: "RUNNING", actions: "resumeWork" },
        "supervisor.stop": "DRAINING",
        "role.restart": { actions: "restartRole" },
        "role.steady": { actions: "forgiveRole" },
        "role.ended": { actions: ["countFailure", "reportRole", "restartLater"] },
      },
    },
    DRAINING: {
      invoke: { id: "drain", src: "drain", onDone: "STOPPED", onError: "STOPPED" },
      after: { drainDeadline: "STOPPED" },
      on: {
        // Its work is being ended: nothing is started again, also by a delay that was under way.
        "role.ended": { actions: "reportRole" },
      },
    },
    STOPPED: { type: "final", entry: "stopRoles" },
  },
});

/** What `prepare` said, or threw; actions see events of XState's own under our type. */
function faultIn(event: object): string {
  const { output, error } = event as { readonly output?: Prepared; readonly error?: unknown };
  if (output !== undefined && !output.ok) return output.fault;
  return error instanceof Error ? error.message : String(error);
}
