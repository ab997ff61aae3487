/**
 * The dispatcher as a role: its machine says when, the dispatcher says what, the link carries it.
 *
 * Invariants:
 *  DISPATCH_ROLE-1. While a gate is closed (the link is not CONNECTED, its breaker is OPEN, or an operator has paused the
 *     publisher) nothing is claimed and nothing is sent. The intake continues.
 *  DISPATCH_ROLE-2. At most one claim is under way, also when a gate closes and opens again during a claim.
 *  DISPATCH_ROLE-3. An exception in a timer or a listener ends the run, not the process; the supervisor starts the next run.
 */
import type { Link } from "@acktor/shared/link/link";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import { failureOf, type TroubleDesk } from "@acktor/shared/runtime/troubles";
import { type Actor, type AnyActor, createActor, fromPromise } from "xstate";
import type { DueRows } from "../outbox/outbox.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { type ClaimOutput, dispatcherMachine } from "./dispatcher-machine.ts";
import type { Doorbell } from "./doorbell.ts";

/** Rows of one claim: 9 ms each at most, and a batch that is sent within some tens of milliseconds. */
const CLAIM_LIMIT = 500;
const TICK_MS = 50;
/** Retained rows that were superseded are looked for at least this often. */
const SUPERSEDE_EVERY_MS = 1_000;

/** Receives the machine of each run, for people who watch. */
export interface DispatcherWatch {
  followDispatcher(actor: AnyActor): void;
}

export interface DispatchRoleParts {
  readonly dispatcher: Dispatcher;
  readonly doorbell: Doorbell;
  readonly outbox: DueRows;
  readonly link: Link;
  readonly clock: Clock;
  readonly watch: DispatcherWatch;
  readonly logger: Logger;
  readonly troubles: TroubleDesk;
  readonly pollMs: number;
  readonly leaseMs: number;
}

class ClaimFailed extends Error {
  override readonly name = "ClaimFailed";
}

export class DispatchRole {
  readonly #parts: DispatchRoleParts;
  /** Written by `run`. */
  #actor: Actor<typeof dispatcherMachine>;
  readonly #listeners: (() => void)[] = [];
  #tick: NodeJS.Timeout | null = null;
  #paused = false;
  #stopped = false;
  #supersededAt = Number.NEGATIVE_INFINITY;
  #claiming: Promise<unknown> = Promise.resolve();

  constructor(parts: DispatchRoleParts) {
    this.#parts = parts;
    this.#actor = this.#makeActor();
  }

  /** For people who watch: state and context of the machine. */
  get actor(): Actor<typeof dispatcherMachine> {
    return this.#actor;
  }

  /** True while messages may be sent. */
  get open(): boolean {
    return this.#actor.getSnapshot().value !== "IDLE";
  }

  /** Works until the signal fires or `stop` is called. Rejects when the machine itself broke; it may run again then. */
  async run(signal: AbortSignal): Promise<void> {
    const { link, dispatcher, doorbell, watch } = this.#parts;
    const actor = this.#makeActor();
    this.#actor = actor;
    doorbell.answer(actor);
    const { ended, broke } = this.#endOf(actor, signal);
    actor.start();
    watch.followDispatcher(actor);
    this.#release();
    const safely = (work: () => void): (() => void) => guarded(work, broke);
    const checkGates = safely(() => this.#checkGates());
    const pump = safely(() => dispatcher.pump());
    this.#listeners.push(link.on("link.transition", checkGates), link.on("link.writable", pump));
    const tick = safely(() => dispatcher.tick());
    this.#tick = setInterval(tick, TICK_MS);
    checkGates();
    try {
      await ended;
    } finally {
      if (!this.#stopped) this.#release();
      if (!this.#stopped) actor.stop();
    }
  }

  /** The end of a run: asked for by its signal, or because it broke. */
  #endOf(
    actor: Actor<typeof dispatcherMachine>,
    signal: AbortSignal,
  ): { readonly ended: Promise<void>; readonly broke: (error: unknown) => void } {
    const { promise, resolve, reject } = withResolvers();
    const onAbort = (): void => void this.stop().then(resolve);
    const broke = (error: unknown): void => {
      // The signal of a broken run is aborted before the next run starts: that must not stop the next run permanently.
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    actor.subscribe({ error: broke });
    return { ended: promise, broke };
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#checkGates();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Stops claiming and sending, gives back what is leased; what is in flight may still be answered. A second call has no effect. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#release();
    this.#parts.dispatcher.setOpen(false);
    this.#actor.stop();
    await this.#claiming;
    this.#parts.dispatcher.flushRecords();
  }

  #makeActor(): Actor<typeof dispatcherMachine> {
    const claim = fromPromise<ClaimOutput>(() => {
      // DISPATCH_ROLE-2
      const claiming = this.#claiming.then(() => this.#claim());
      this.#claiming = claiming.catch((error) => this.#noteThrow(error));
      return claiming;
    });
    const machine = dispatcherMachine.provide({ actors: { claim } });
    return createActor(machine, { input: { pollMs: this.#parts.pollMs } });
  }

  /** The machine notices every failure; the outbox has reported a failed statement itself. */
  #noteThrow(error: unknown): void {
    if (error instanceof ClaimFailed) return;
    this.#parts.logger.error({ err: error }, "internal error in the dispatcher");
    this.#parts.troubles.gaveUp("dispatcher", failureOf(error));
  }

  #release(): void {
    for (const off of this.#listeners.splice(0)) off();
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#tick = null;
  }

  #checkGates(): void {
    const { link, dispatcher } = this.#parts;
    const { state, breaker } = link.info();
    // DISPATCH_ROLE-1
    const open = state === "CONNECTED" && breaker !== "OPEN" && !this.#paused && !this.#stopped;
    dispatcher.setOpen(open);
    if (open !== this.open) this.#actor.send({ type: open ? "gates.opened" : "gates.closed" });
  }

  async #claim(): Promise<ClaimOutput> {
    const { outbox, dispatcher, clock, leaseMs } = this.#parts;
    await this.#supersede();
    const limit = Math.min(CLAIM_LIMIT, dispatcher.room);
    if (limit === 0) return { claimed: 0, more: true, full: true };
    const startedAt = clock.now();
    const claimed = await outbox.claim(limit, dispatcher.isCrowd);
    if (!claimed.ok) throw new ClaimFailed(claimed.failure.code);
    const { messages, more, anyParked } = claimed.value;
    dispatcher.noteParked(anyParked);
    if (messages.length > 0) dispatcher.offer(messages, startedAt + leaseMs);
    return { claimed: messages.length, more, full: false };
  }

  async #supersede(): Promise<void> {
    const { clock, doorbell, outbox } = this.#parts;
    const now = clock.now();
    if (!doorbell.takeRetained() && now - this.#supersededAt < SUPERSEDE_EVERY_MS) return;
    this.#supersededAt = now;
    await outbox.supersede();
  }
}

/** DISPATCH_ROLE-3 */
function guarded(work: () => void, broke: (error: unknown) => void): () => void {
  return () => {
    try {
      work();
    } catch (error) {
      broke(error);
    }
  };
}

function withResolvers(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
