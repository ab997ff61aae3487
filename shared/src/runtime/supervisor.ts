/**
 * Supervises one service: the supervisor machine over the service's own methods.
 *
 * Invariants:
 *  SUPERVISOR-1. `prepare` is not called after `stop`, and `drain` is called once, whether or not the start succeeded.
 *  SUPERVISOR-2. A role that fails is logged, and is a trouble until it has held.
 */
import { type Actor, createActor, type EventObject, fromCallback, fromPromise, toPromise, waitFor } from "xstate";
import type { Random } from "./clock.ts";
import type { Logger } from "./logger.ts";
import { THREW } from "./sqlstate.ts";
import {
  type Prepared,
  type RoleInput,
  type Started,
  type SupervisorEvent,
  supervisorMachine,
} from "./supervisor-machine.ts";
import { failureOf, type TroubleDesk } from "./troubles.ts";

/** A part that works until the service stops. */
export interface Role {
  /** Works until `signal` is aborted, then returns soon. Returning earlier, or a throw, is a failure. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a supervised service offers. */
export interface Supervised {
  /** Waits for the database, migrates. Returns early when `signal` is aborted. */
  prepare(signal: AbortSignal): Promise<Prepared>;
  /** Asked once, after `prepare`. */
  roles(): Readonly<Record<string, Role>>;
  pause(): void;
  resume(): void;
  /** Finishes what was accepted and closes everything, also after a failed or interrupted start. */
  drain(): Promise<void>;
}

export interface SupervisorParts {
  readonly troubles: TroubleDesk;
  readonly logger: Logger;
  readonly random: Random;
  readonly drainDeadlineMs?: number;
}

const RESTART_BASE_MS = 500;
const RESTART_CAP_MS = 30_000;
const DRAIN_DEADLINE_MS = 4_500;

/** Delay before the n-th restart in a row (n from 1): doubled each time, half of it random. Milliseconds. */
export function restartDelay(failures: number, random: number): number {
  const full = Math.min(RESTART_CAP_MS, RESTART_BASE_MS * 2 ** Math.min(failures - 1, 10));
  return full * (0.5 + random / 2);
}

export class Supervisor {
  readonly actor: Actor<typeof supervisorMachine>;
  /** Resolves at RUNNING; with `ok: false` when the service can never run. Stays pending when it was stopped before. */
  readonly started: Promise<Prepared>;
  /** Resolves at STOPPED. */
  readonly stopped: Promise<void>;
  readonly #service: Supervised;
  readonly #parts: SupervisorParts;
  #roles: Readonly<Record<string, Role>> = {};
  #isStopping = false;

  constructor(service: Supervised, parts: SupervisorParts) {
    this.#service = service;
    this.#parts = parts;
    this.actor = createActor(this.#machine());
    this.started = whenStarted(this.actor);
    this.stopped = toPromise(this.actor).then(() => undefined);
    this.#followFailures();
  }

  /** STARTING RUNNING PAUSED DRAINING STOPPED; STARTING before `start`. */
  state(): string {
    return String(this.actor.getSnapshot().value);
  }

  start(): void {
    // XState runs an actor that has ended a second time.
    if (this.actor.getSnapshot().status === "active") this.actor.start();
  }

  pause(): void {
    this.actor.send({ type: "supervisor.pause" });
  }

  resume(): void {
    this.actor.send({ type: "supervisor.resume" });
  }

  /** Drains, also before `start`; later calls wait for the first one. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.start();
    if (this.actor.getSnapshot().status === "active") this.actor.send({ type: "supervisor.stop" });
    await this.stopped;
  }

  #machine(): typeof supervisorMachine {
    const { random, drainDeadlineMs = DRAIN_DEADLINE_MS } = this.#parts;
    return supervisorMachine.provide({
      actors: {
        prepare: fromPromise<Started>(({ signal }) => this.#prepare(signal)),
        role: fromCallback<EventObject, RoleInput>(({ input, sendBack }) => this.#runRole(input.role, sendBack)),
        drain: fromPromise<void>(() => this.#service.drain()),
      },
      actions: {
        pauseWork: () => this.#service.pause(),
        resumeWork: () => this.#service.resume(),
        reportRole: ({ event }) => {
          if (event.type === "role.ended") this.#reportEnd(event.role, event.error);
        },
      },
      delays: {
        restart: ({ context, event }) =>
          restartDelay("role" in event ? (context.failures[event.role] ?? 1) : 1, random.next()),
        drainDeadline: drainDeadlineMs,
      },
    });
  }

  async #prepare(signal: AbortSignal): Promise<Started> {
    if (this.#isStopping) return { ok: false, fault: "stopped before the start" }; // SUPERVISOR-1
    const prepared = await this.#service.prepare(signal);
    if (!prepared.ok) return prepared;
    this.#roles = this.#service.roles();
    return { ok: true, roles: Object.keys(this.#roles) };
  }

  /** Runs one role; reports its end unless the end was requested. @returns what stops it */
  #runRole(role: string, send: (event: SupervisorEvent) => void): () => void {
    const abort = new AbortController();
    const end = (error: unknown): void => {
      if (!abort.signal.aborted) send({ type: "role.ended", role, error });
    };
    // In a later microtask, so that a role that throws synchronously ends like any other.
    void Promise.resolve()
      .then(() => this.#roles[role]?.run(abort.signal))
      .then(() => end(null), end);
    return () => abort.abort();
  }

  #reportEnd(role: string, error: unknown): void {
    const { troubles, logger } = this.#parts;
    logger.error({ actor: role, err: error }, "a role ended unexpectedly; restarting it");
    // SUPERVISOR-2
    troubles.note(
      areaOf(role),
      error === null ? { code: THREW, message: "returned before the stop" } : failureOf(error),
    );
  }

  /** A role's count of failures returns to 0 when the role has held. */
  #followFailures(): void {
    let before = this.actor.getSnapshot().context.failures;
    this.actor.subscribe(({ context: { failures } }) => {
      for (const [role, count] of Object.entries(before)) {
        if (count > 0 && failures[role] === 0) this.#parts.troubles.clear(areaOf(role)); // SUPERVISOR-2
      }
      before = failures;
    });
  }
}

const areaOf = (role: string): string => `role ${role}`;

async function whenStarted(actor: Actor<typeof supervisorMachine>): Promise<Prepared> {
  const decided = await waitFor(actor, (s) => s.value === "RUNNING" || s.status !== "active");
  if (decided.value === "RUNNING") return { ok: true };
  const { fault } = decided.context;
  return fault === null ? new Promise(() => undefined) : { ok: false, fault };
}
