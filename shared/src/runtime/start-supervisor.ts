/** Runs the supervisor machine over a service's own functions. */
import {
  type Actor,
  createActor,
  type EventObject,
  fromCallback,
  fromPromise,
  type InspectionEvent,
  toPromise,
  waitFor,
} from "xstate";
import type { Logger } from "./logger.ts";
import { THREW } from "./sqlstate.ts";
import { type Prepared, type RoleInput, type SupervisorEvent, supervisorMachine } from "./supervisor-machine.ts";
import { failureOf, type TroubleDesk } from "./troubles.ts";

/** What a role is: works until its signal is aborted, then returns soon. Ending earlier, or a throw, is a failure. */
export type Role = (signal: AbortSignal) => Promise<void>;

export interface SupervisorOptions {
  /** Gets ready: waits for the database, migrates. Ended early by its signal. */
  readonly prepare: (signal: AbortSignal) => Promise<Prepared>;
  readonly roles: Readonly<Record<string, Role>>;
  /** Finishes what was accepted and closes everything; called once, also after a start that failed or was cut short. */
  readonly drain: () => Promise<void>;
  readonly pause?: () => void;
  readonly resume?: () => void;
  /** A role ended; it starts again. `error` is null when it ended by itself. For the log. */
  readonly onRoleEnd: (role: string, error: unknown) => void;
  /** A role that had failed has held since its last start. */
  readonly onRoleHeld?: (role: string) => void;
  readonly random: () => number;
  readonly drainDeadlineMs?: number;
  readonly inspect?: (event: InspectionEvent) => void;
}

export interface Supervisor {
  readonly actor: Actor<typeof supervisorMachine>;
  /** STARTING RUNNING PAUSED DRAINING STOPPED. */
  state(): string;
  /** Resolves when it is RUNNING; `ok: false` when it never will be. Stays pending when it was stopped before. */
  readonly started: Promise<Prepared>;
  pause(): void;
  resume(): void;
  /** Drains. Twice and early is fine; resolves at STOPPED. */
  stop(): Promise<void>;
  /** Resolves at STOPPED, whoever asked for it. */
  readonly stopped: Promise<void>;
}

const RESTART_BASE_MS = 500;
const RESTART_CAP_MS = 30_000;

/** Delay before the n-th restart in a row (n from 1): doubled each time, half of it random. Milliseconds. */
export function restartDelay(failures: number, random: number): number {
  const full = Math.min(RESTART_CAP_MS, RESTART_BASE_MS * 2 ** Math.min(failures - 1, 10));
  return full * (0.5 + random / 2);
}

export function startSupervisor(options: SupervisorOptions): Supervisor {
  const { prepare, roles, drain, onRoleEnd, random, drainDeadlineMs = 4_500 } = options;
  const machine = supervisorMachine.provide({
    actors: {
      prepare: fromPromise<Prepared>(({ signal }) => prepare(signal)),
      role: fromCallback<EventObject, RoleInput>(({ input, sendBack }) => runRole(input.role, roles, sendBack)),
      drain: fromPromise<void>(() => drain()),
    },
    actions: {
      pauseWork: () => options.pause?.(),
      resumeWork: () => options.resume?.(),
      reportRole: ({ event }) => {
        if (event.type === "role.ended") onRoleEnd(event.role, event.error);
      },
    },
    delays: {
      restart: ({ context, event }) => {
        return restartDelay("role" in event ? (context.failures[event.role] ?? 1) : 1, random());
      },
      drainDeadline: drainDeadlineMs,
    },
  });
  const actor = createActor(machine, {
    input: { roles: Object.keys(roles) },
    ...(options.inspect === undefined ? {} : { inspect: options.inspect }),
  });
  const stopped = toPromise(actor);
  if (options.onRoleHeld !== undefined) followFailures(actor, options.onRoleHeld);
  actor.start();

  return {
    actor,
    state: () => String(actor.getSnapshot().value),
    started: whenStarted(actor),
    pause: () => actor.send({ type: "supervisor.pause" }),
    resume: () => actor.send({ type: "supervisor.resume" }),
    async stop() {
      actor.send({ type: "supervisor.stop" });
      await stopped;
    },
    stopped: stopped.then(() => undefined),
  };
}

/** A role's count of failures goes back to 0 when it held. */
function followFailures(actor: Actor<typeof supervisorMachine>, onHeld: (role: string) => void): void {
  let before = actor.getSnapshot().context.failures;
  actor.subscribe(({ context: { failures } }) => {
    for (const [role, count] of Object.entries(before)) if (count > 0 && failures[role] === 0) onHeld(role);
    before = failures;
  });
}

/** What a service does about its roles' ends: a line with the stack, and an entry in the troubles until the role holds. */
export function watchRoles(
  troubles: TroubleDesk,
  logger: Logger,
): Required<Pick<SupervisorOptions, "onRoleEnd" | "onRoleHeld">> {
  const areaOf = (role: string): string => `role ${role}`;
  return {
    onRoleEnd(role, error) {
      logger.error({ actor: role, err: error }, "a role ended; it is started again");
      troubles.note(areaOf(role), error === null ? { code: THREW, message: "ended by itself" } : failureOf(error));
    },
    onRoleHeld: (role) => troubles.clear(areaOf(role)),
  };
}

/** Runs one role; tells its end unless it was asked for. @returns what stops it */
function runRole(
  role: string,
  roles: Readonly<Record<string, Role>>,
  tell: (event: SupervisorEvent) => void,
): () => void {
  const abort = new AbortController();
  const end = (error: unknown): void => {
    if (!abort.signal.aborted) tell({ type: "role.ended", role, error });
  };
  // In a turn of its own, so that a role that throws at once is an ending like any other.
  void Promise.resolve()
    .then(() => roles[role]?.(abort.signal))
    .then(() => end(null), end);
  return () => abort.abort();
}

async function whenStarted(actor: Actor<typeof supervisorMachine>): Promise<Prepared> {
  const decided = await waitFor(actor, (s) => s.value === "RUNNING" || s.status !== "active");
  if (decided.value === "RUNNING") return { ok: true };
  const { fault } = decided.context;
  return fault === null ? new Promise(() => undefined) : { ok: false, fault };
}
