/**
 * Reports one actor to viewers.
 *
 * Invariants:
 *  TAP-1. While watched, each event that took a transition is reported immediately and separately; a change of the context
 *     alone at most ten times a second, the last one always.
 *  TAP-2. While unwatched, XState's inspection is off. A move to another state is noted with a reference to the snapshot,
 *     without its event and edges; a change of the context alone is not noted.
 *  TAP-3. After `stopped` nothing more is reported of this actor.
 */
import type { AnyActor, EventObject, InspectionEvent, Subscription } from "xstate";
import type { Clock } from "../runtime/clock.ts";
import { cleanContext } from "./clean-context.ts";
import type { ActorEvent, ActorSnapshot, Command, Json, RunningDelay, StateValue } from "./wire.ts";
import { runningDelays, takenEdges } from "./xstate-internals.ts";

/** An actor to follow, and which keys viewers may see. */
export interface FollowedActor {
  /** Name of the role, unique in the instance. */
  readonly name: string;
  /** Id of its machine. */
  readonly machine: string;
  readonly actor: AnyActor;
  /** Keys of its context that viewers may see. */
  readonly shown: readonly string[];
  /** Operator commands and the events that they send; `can` is computed from them. */
  readonly commands: Readonly<Partial<Record<Command, EventObject>>>;
}

export type ActorFact = Pick<
  ActorEvent,
  "kind" | "ts" | "actor" | "machine" | "event" | "edges" | "value" | "context" | "delays" | "can"
>;

export interface TapSink {
  tell(fact: ActorFact): void;
  /** Takes an unwatched fact; `make` is called only when a viewer asks for it. */
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
  readonly #clock: Pick<Clock, "wallClock">;
  readonly #subscription: Subscription;
  #inspection: Subscription | null = null;
  #edges: string[] = [];
  #last: MachineState;
  #contextAt = Number.NEGATIVE_INFINITY;
  #contextTimer: NodeJS.Timeout | null = null;
  #ended = false;

  /** Follows an actor that was started or will be. */
  constructor(followed: FollowedActor, watched: boolean, sink: TapSink, clock: Pick<Clock, "wallClock">) {
    this.#followed = followed;
    this.#sink = sink;
    this.#clock = clock;
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

  /** Reports the end of the actor, once. */
  stop(): void {
    if (this.#ended) return; // TAP-3
    // The transition into a final state comes before the end.
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

  /** TAP-1: XState has processed an event with all its microsteps. */
  #settled(type: string): void {
    const before = this.#last;
    this.#last = this.#state();
    if (this.#edges.length > 0 || this.#last.value !== before.value) this.#transition(type);
    else if (this.#last.context !== before.context) this.#contextChanged();
  }

  #transition(type: string): void {
    // The fact of a transition contains the context as well.
    this.#cancelContext();
    this.#sink.tell(this.#fact("transition", type === "" ? null : type, this.#edges));
    this.#edges = [];
  }

  #contextChanged(): void {
    if (this.#contextTimer !== null) return;
    const wait = this.#contextAt + CONTEXT_EVERY_MS - this.#clock.wallClock();
    if (wait <= 0 || wait > CONTEXT_EVERY_MS) this.#tellContext();
    else this.#contextTimer = setTimeout(() => this.#tellContext(), wait);
  }

  #tellContext(): void {
    this.#cancelContext();
    this.#contextAt = this.#clock.wallClock();
    this.#sink.tell(this.#fact("context", null, []));
  }

  #cancelContext(): void {
    if (this.#contextTimer !== null) clearTimeout(this.#contextTimer);
    this.#contextTimer = null;
  }

  /** TAP-2. Called after every event, also unwatched: it must stay cheap. */
  #moved(): void {
    if (this.#inspection !== null) return;
    const state = this.#state();
    const before = this.#last;
    this.#last = state;
    if (state.value === before.value || sameValue(state.value, before.value)) return;
    const ts = this.#clock.wallClock();
    const delays = runningDelays(this.#followed.actor);
    this.#sink.note(() => this.#factOf(state, ts, delays, "transition", null, []));
  }

  #fact(kind: ActorEvent["kind"], event: string | null, edges: readonly string[]): ActorFact {
    const delays = this.#ended ? [] : runningDelays(this.#followed.actor);
    return this.#factOf(this.#state(), this.#clock.wallClock(), delays, kind, event, edges);
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

/** XState returns a new value with each transition, even where it is equal; state values are small. */
function sameValue(a: StateValue, b: StateValue): boolean {
  return typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b);
}
