/**
 * The states of a service. Pure: `supervisor.ts` provides prepare, roles, drain and the delays.
 *
 * Invariants:
 *  SUPERVISED-1. Roles run in RUNNING, PAUSED and DRAINING, each at most once; no role runs in STOPPED.
 *  SUPERVISED-2. A role that ends restarts after a growing delay, but not in DRAINING. A role that held for `steady` starts
 *     again with the shortest delay.
 *  SUPERVISED-3. A stop is possible in any state, early and twice; STOPPED follows within `drainDeadline`.
 *  SUPERVISED-4. A failed start drains as well, so that the same path closes what was half started.
 */
import { assign, type EventObject, enqueueActions, fromCallback, fromPromise, setup } from "xstate";

export interface SupervisorContext {
  /** Names of the roles; empty before RUNNING. The provided actor `role` runs each. */
  readonly roles: readonly string[];
  /** Failures of each role since it last held. */
  readonly failures: Readonly<Record<string, number>>;
  /** Why the service will never start, or null. */
  readonly fault: string | null;
}

/** `ok: false`: the service can never run (the database is newer than the code). `prepare` itself waits for the rest. */
export type Prepared = { readonly ok: true } | { readonly ok: false; readonly fault: string };

export type Started =
  | { readonly ok: true; readonly roles: readonly string[] }
  | { readonly ok: false; readonly fault: string };

export type SupervisorEvent =
  | { readonly type: "supervisor.pause" }
  | { readonly type: "supervisor.resume" }
  | { readonly type: "supervisor.stop" }
  /** From a role's actor; `error` is null when the role returned. */
  | { readonly type: "role.ended"; readonly role: string; readonly error: unknown }
  | { readonly type: "role.restart"; readonly role: string }
  | { readonly type: "role.steady"; readonly role: string };

export interface RoleInput {
  readonly role: string;
}

const restartId = (role: string): string => `restart:${role}`;
const steadyId = (role: string): string => `steady:${role}`;
/** The role that an event is about; "" for other events. */
const roleOf = (event: SupervisorEvent): string => ("role" in event ? event.role : "");

export const supervisorMachine = setup({
  types: {
    context: {} as SupervisorContext,
    events: {} as SupervisorEvent,
    output: {} as { readonly fault: string | null },
  },
  actors: {
    prepare: fromPromise<Started>(async () => ({ ok: true, roles: [] })),
    role: fromCallback<EventObject, RoleInput>(() => undefined),
    drain: fromPromise<void>(async () => undefined),
  },
  delays: { restart: 1_000, steady: 60_000, drainDeadline: 4_500 },
  guards: {
    isPrepared: (_, params: Started) => params.ok,
  },
  actions: {
    pauseWork: () => undefined,
    resumeWork: () => undefined,
    reportRole: () => undefined,
    startRoles: enqueueActions(({ event, enqueue }) => {
      const roles = rolesIn(event);
      enqueue.assign({ roles });
      for (const role of roles) {
        // SUPERVISED-1
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
    // SUPERVISED-2
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
  context: { roles: [], failures: {}, fault: null },
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
          { target: "DRAINING", actions: "noteFault" }, // SUPERVISED-4
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
      after: { drainDeadline: "STOPPED" }, // SUPERVISED-3
      on: {
        // SUPERVISED-2: no restart here, not even by a delay that already runs.
        "role.ended": { actions: "reportRole" },
      },
    },
    STOPPED: { type: "final", entry: "stopRoles" }, // SUPERVISED-1
  },
});

/** Actions see XState's own events under our type. */
interface PrepareEnd {
  readonly output?: Started;
  readonly error?: unknown;
}

function rolesIn(event: object): readonly string[] {
  const { output } = event as PrepareEnd;
  return output?.ok === true ? output.roles : [];
}

/** What `prepare` returned, or threw. */
function faultIn(event: object): string {
  const { output, error } = event as PrepareEnd;
  if (output !== undefined && !output.ok) return output.fault;
  return error instanceof Error ? error.message : String(error);
}
