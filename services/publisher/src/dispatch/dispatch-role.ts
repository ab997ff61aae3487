/**
 * The dispatcher as a role: its machine says when, the dispatcher says what, the link carries it.
 *
 * Gates: the link is CONNECTED, its breaker admits, nobody paused it. A closed gate stops claiming and gives back what
 * is leased; intake goes on.
 */
import { type Actor, type AnyActor, createActor, fromPromise } from "xstate";
import { LowWater } from "../outbox/low-water.ts";
import type { Claimed, ClaimOptions, Outcome } from "../outbox/outbox.ts";
import type { RetainedCursor, Superseded } from "../outbox/supersede-retained.ts";
import { Dispatcher, type DispatcherOptions, type DispatcherSink } from "./dispatcher.ts";
import { type ClaimOutput, dispatcherMachine } from "./dispatcher-machine.ts";

/** Rows of one claim: 9 ms each at most, and a batch that goes out within some tens of milliseconds. */
const CLAIM_LIMIT = 500;
const TICK_MS = 50;
/** Retained rows that were superseded are looked for at least this often. */
const SUPERSEDE_EVERY_MS = 1_000;

export interface DispatchRoleOptions extends Omit<DispatcherOptions, "sink"> {
  readonly sink: Omit<DispatcherSink, "low">;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly instance: string;
  readonly claim: (options: ClaimOptions) => Promise<Outcome<Claimed>>;
  /** Ends retained rows that have a newer one; `next` is where the scan goes on. */
  readonly supersede: (from: RetainedCursor | null) => Promise<Outcome<Superseded>>;
  /** Takes what was thrown between two claims: a fault of ours. */
  readonly onThrow?: (error: unknown) => void;
  /** Takes the actor each time that one has started. */
  readonly onActor?: (actor: AnyActor) => void;
}

class ClaimFailed extends Error {
  override readonly name = "ClaimFailed";
}

export class DispatchRole {
  readonly dispatcher: Dispatcher;
  readonly #options: DispatchRoleOptions;
  #actor: Actor<typeof dispatcherMachine>;
  readonly #listeners: (() => void)[] = [];
  #tick: NodeJS.Timeout | null = null;
  #paused = false;
  #stopped = false;
  #laneCursor = "";
  readonly #lowWater: LowWater;
  #supersededAt = Number.NEGATIVE_INFINITY;
  #supersedeNow = false;
  #retainedCursor: RetainedCursor | null = null;
  #claiming: Promise<unknown> = Promise.resolve();

  constructor(options: DispatchRoleOptions) {
    this.#options = options;
    this.#lowWater = new LowWater(options.now);
    this.dispatcher = new Dispatcher({ ...options, sink: { ...options.sink, low: () => this.#low() } });
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
    const { link } = this.#options;
    const actor = this.#makeActor();
    this.#actor = actor;
    const { ended, broke } = this.#endOf(actor, signal);
    actor.start();
    this.#options.onActor?.(actor);
    this.#release();
    const safely = (work: () => void): (() => void) => guarded(work, broke);
    const checkGates = safely(() => this.#checkGates());
    const pump = safely(() => this.dispatcher.pump());
    this.#listeners.push(link.on("link.transition", checkGates), link.on("link.writable", pump));
    const tick = safely(() => this.dispatcher.tick());
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
      // The signal of a broken run is aborted before the next run starts: that must not stop the next one for good.
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    actor.subscribe({ error: broke });
    return { ended: promise, broke };
  }

  /** Rows were committed that wait for the claim. */
  wake(retained = false): void {
    if (retained) this.#supersedeNow = true;
    this.#actor.send({ type: "outbox.woken" });
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#checkGates();
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Stops claiming and sending, gives back what is leased; what is in flight may still be answered. Twice is fine. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#release();
    this.dispatcher.setOpen(false);
    this.#actor.stop();
    await this.#claiming;
    this.dispatcher.flushRecords();
  }

  #makeActor(): Actor<typeof dispatcherMachine> {
    const claim = fromPromise<ClaimOutput>(() => {
      // A gate that closed and opened again may leave the previous claim under way: one at a time.
      const claiming = this.#claiming.then(() => this.#claim());
      this.#claiming = claiming.catch((error) => this.#noteThrow(error));
      return claiming;
    });
    const machine = dispatcherMachine.provide({ actors: { claim } });
    return createActor(machine, { input: { pollMs: this.#options.pollMs } });
  }

  /** The machine hears of every failure; a failed statement was reported by the claim itself. */
  #noteThrow(error: unknown): void {
    if (!(error instanceof ClaimFailed)) this.#options.onThrow?.(error);
  }

  #release(): void {
    for (const off of this.#listeners.splice(0)) off();
    if (this.#tick !== null) clearInterval(this.#tick);
    this.#tick = null;
  }

  #checkGates(): void {
    const { link } = this.#options;
    const { state, breaker } = link.info();
    const open = state === "CONNECTED" && breaker !== "OPEN" && !this.#paused && !this.#stopped;
    this.dispatcher.setOpen(open);
    if (open !== this.open) this.#actor.send({ type: open ? "gates.opened" : "gates.closed" });
  }

  #low(): void {
    if (this.#actor.getSnapshot().value === "SENDING") this.#actor.send({ type: "queue.low" });
  }

  async #claim(): Promise<ClaimOutput> {
    const { instance, leaseMs, claim, now } = this.#options;
    await this.#supersede();
    const limit = Math.min(CLAIM_LIMIT, this.dispatcher.room);
    if (limit === 0) return { claimed: 0, more: true, full: true };
    const startedAt = now();
    const result = await claim({
      instance,
      limit,
      leaseMs,
      laneCursor: this.#laneCursor,
      lowWater: this.#lowWater.mark,
    });
    if (!result.ok) throw new ClaimFailed(result.failure.code);
    const { messages, nextLaneCursor, parked, apart } = result.value;
    this.#laneCursor = nextLaneCursor;
    this.#lowWater.claimed(result.value, apart === undefined ? messages.length + parked < limit : !apart.isFull);
    if (messages.length > 0) this.dispatcher.offer(messages, startedAt + leaseMs);
    const isFull = apart === undefined ? messages.length === limit : apart.isFull && apart.bad > 0;
    return { claimed: messages.length, more: isFull || parked > 0, full: false };
  }

  async #supersede(): Promise<void> {
    const now = this.#options.now();
    if (!this.#supersedeNow && now - this.#supersededAt < SUPERSEDE_EVERY_MS) return;
    this.#supersedeNow = false;
    this.#supersededAt = now;
    const result = await this.#options.supersede(this.#retainedCursor);
    if (result.ok) this.#retainedCursor = result.value.next;
  }
}

/** A throw in a timer or a listener would end the process: it ends this run, and the supervisor starts the next one. */
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
