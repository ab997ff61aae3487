/**
 * One actor, as viewers see it.
 *
 * Invariants:
 *  1. Watched, each event that took a transition is told, at once and never together with another; a change of the
 *     context alone ten times a second at most, the last one always.
 *  2. Unwatched, XState's inspection is off. A move to another state is noted with a reference to the snapshot, without
 *     its event and its edges; a change of the context alone is not noted at all.
 *  3. After `stopped` nothing is told of this actor.
 */
import type { AnyActor, EventObject, InspectionEvent, Subscription } from "xstate";
import { cleanContext } from "./clean-context.ts";
import type { ActorEvent, ActorSnapshot, Command, Json, RunningDelay, StateValue } from "./wire.ts";
import { runningDelays, takenEdges } from "./xstate-internals.ts";

/** What is followed, and what of it may be shown. */
export interface FollowedActor {
  /** Name of the role, unique in the instance. */
  readonly name: string;
  /** Id of its machine. */
  readonly machine: string;
  readonly actor: AnyActor;
  /** Keys of its context that viewers may see. */
  readonly shown: readonly string[];
  /** Operator's commands and the events that they are; `can` is asked with them. */
  readonly commands: Readonly<Partial<Record<Command, EventObject>>>;
}

export type ActorFact = Pick<
  ActorEvent,
  "kind" | "ts" | "actor" | "machine" | "event" | "edges" | "value" | "context" | "delays" | "can"
>;

export interface TapSink {
  /** Takes what happened. */
  tell(fact: ActorFact): void;
  /** Takes what nobody watches; `make` is called when somebody asks. */
  note(make: () => ActorFact): void;
}

/** The part of a machine's snapshot that is read. */
interface MachineState {
  readonly status: "active" | "done" | "error" | "stopped";
  readonly value: StateValue;
  readonly context: unknown;
  can(event: EventObject): boolean;
}

export const CONTEXT_EVERY_MS = 100;

export class ActorTap {
  readonly #followed: FollowedActor;
  readonly #sink: TapSink;
  /** Milliseconds since 1970. */
  readonly #wallClock: () => number;
  readonly #subscription: Subscription;
  #inspection: Subscription | null = null;
  #edges: string[] = [];
  #last: MachineState;
  #contextAt = Number.NEGATIVE_INFINITY;
  #contextTimer: NodeJS.Timeout | null = null;
  #ended = false;

  /** Follows an actor that was started or is about to be. */
  constructor(followed: FollowedActor, watched: boolean, sink: TapSink, wallClock: () => number) {
    this.#followed = followed;
    this.#sink = sink;
    this.#wallClock = wallClock;
    this.#last = this.#state();
    this.#sink.tell(this.#fact("started", null, []));
    if (watched) this.attach();
    const end = (): void => this.stop();
    this.#subscription = followed.actor.subscribe({ next: () => this.#moved(), complete: end, error: end });
  }

  /** The first viewer came. */
  attach(): void {
    if (this.#ended || this.#inspection !== null) return;
    this.#inspection = this.#followed.actor.system.inspect((event) => this.#inspected(event));
  }

  /** The last viewer left. */
  detach(): void {
    this.#inspection?.unsubscribe();
    this.#inspection = null;
    this.#edges = [];
    this.#cancelContext();
  }

  snapshot(): Omit<ActorSnapshot, "service" | "instance"> {
    const state = this.#state();
    const { kind: _, ...fact } = this.#fact("context", null, []);
    const status = state.status === "stopped" ? "done" : state.status;
    return { ...fact, status };
  }

  /** Ends with the actor; twice is fine. */
  stop(): void {
    if (this.#ended) return;
    // A final state is told before the end that it brings.
    if (this.#edges.length > 0) this.#transition("");
    this.detach();
    this.#ended = true;
    this.#subscription?.unsubscribe();
    this.#sink.tell(this.#fact("stopped", null, []));
  }

  #state(): MachineState {
    return this.#followed.actor.getSnapshot() as MachineState;
  }

  #inspected(event: InspectionEvent): void {
    if (event.actorRef !== this.#followed.actor || this.#ended) return;
    if (event.type === "@xstate.microstep") this.#edges.push(...takenEdges(event));
    else if (event.type === "@xstate.snapshot") this.#settled(event.event.type);
  }

  /** An event has been dealt with, every microstep of it. */
  #settled(type: string): void {
    const before = this.#last;
    this.#last = this.#state();
    if (this.#edges.length > 0 || this.#last.value !== before.value) this.#transition(type);
    else if (this.#last.context !== before.context) this.#contextChanged();
  }

  #transition(type: string): void {
    // It carries the context too.
    this.#cancelContext();
    this.#sink.tell(this.#fact("transition", type === "" ? null : type, this.#edges));
    this.#edges = [];
  }

  #contextChanged(): void {
    if (this.#contextTimer !== null) return;
    const wait = this.#contextAt + CONTEXT_EVERY_MS - this.#wallClock();
    if (wait <= 0 || wait > CONTEXT_EVERY_MS) this.#tellContext();
    else this.#contextTimer = setTimeout(() => this.#tellContext(), wait);
  }

  #tellContext(): void {
    this.#cancelContext();
    this.#contextAt = this.#wallClock();
    this.#sink.tell(this.#fact("context", null, []));
  }

  #cancelContext(): void {
    if (this.#contextTimer !== null) clearTimeout(this.#contextTimer);
    this.#contextTimer = null;
  }

  /** Called after every event, also unwatched: this must stay cheap. */
  #moved(): void {
    if (this.#inspection !== null) return;
    const state = this.#state();
    const before = this.#last;
    this.#last = state;
    if (state.value === before.value || sameValue(state.value, before.value)) return;
    const ts = this.#wallClock();
    const delays = runningDelays(this.#followed.actor);
    this.#sink.note(() => this.#factOf(state, ts, delays, "transition", null, []));
  }

  #fact(kind: ActorEvent["kind"], event: string | null, edges: readonly string[]): ActorFact {
    const delays = this.#ended ? [] : runningDelays(this.#followed.actor);
    return this.#factOf(this.#state(), this.#wallClock(), delays, kind, event, edges);
  }

  #factOf(
    state: MachineState,
    ts: number,
    delays: readonly RunningDelay[],
    kind: ActorEvent["kind"],
    event: string | null,
    edges: readonly string[],
  ): ActorFact {
    const { name: actor, machine, shown } = this.#followed;
    const context: Json = cleanContext(state.context, shown);
    const can = kind === "stopped" ? [] : this.#can(state);
    return { kind, ts, actor, machine, event, edges, value: state.value, context, delays, can };
  }

  #can(state: MachineState): Command[] {
    if (state.status !== "active") return [];
    return Object.entries(this.#followed.commands).flatMap(([command, event]) =>
      state.can(event) ? [command as Command] : [],
    );
  }
}

/** States are small; XState gives a new value with each transition, also where it is the same. */
function sameValue(a: StateValue, b: StateValue): boolean {
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}
