/**
 * The wire format of inspection, version 1, in JSON, on the bus and in `GET /v1/events`: what an instance reports about its
 * actors. Types alone, so that the console shares them. Contexts are cleaned before they leave the process (CONTEXT-1 to 3), and
 * `seq` shows gaps (STATION-2). Every event has the full state of its actor, so that the next event repairs a gap.
 */
import type { ServiceName } from "../protocol/subjects.ts";

export const WIRE_VERSION = 1;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** As XState has it: a state's key, or the keys of the regions with their states. */
export type StateValue = string | { readonly [region: string]: StateValue };

interface Stamp {
  readonly v: typeof WIRE_VERSION;
  /** Rises by one per event of this boot, from 1. */
  readonly seq: number;
  /** Milliseconds since 1970, by the instance's clock. */
  readonly ts: number;
  readonly service: ServiceName;
  /** `ACKTOR_INSTANCE`: what people call the replica. */
  readonly instance: string;
  /** Differs with every start of the process. */
  readonly boot: string;
}

/** An actor moved, began, ended, or (kind `context`, ten times a second at most) changed its context alone. */
export interface ActorEvent extends Stamp {
  readonly kind: "started" | "transition" | "context" | "stopped";
  /** Name of the role: `link`, `dispatcher`, `expiry` … unique in its instance. */
  readonly actor: string;
  /** Which chart it runs: a `MachineDefinition.id`. */
  readonly machine: string;
  /** Type of the event that was taken; null for `started`, `context`, `stopped`, and for unwatched moves. */
  readonly event: string | null;
  /** `EdgeDefinition.id` of the transitions taken, in order; without targets as well. Empty for unwatched moves. */
  readonly edges: readonly string[];
  readonly value: StateValue;
  readonly context: Json;
  /** Delays that run now. */
  readonly delays: readonly RunningDelay[];
  /** Operator's commands that the state allows now, as `connect`, `breaker.open`, `pause`. */
  readonly can: readonly Command[];
}

/** The steps of messages since the last event, at most ten times a second. */
export interface DeliveriesEvent extends Stamp {
  readonly kind: "deliveries";
  /** How often each step was taken; complete. */
  readonly counts: Readonly<Partial<Record<DeliveryStep, number>>>;
  /** Single steps, oldest first, at most `MAX_STEPS`; what does not fit is in the counts alone. */
  readonly steps: readonly DeliveryEntry[];
}

export const MAX_STEPS = 50;

/** Publisher: accepted … expired. Acker: received, processed, duplicate, refused. */
export type DeliveryStep =
  | "accepted"
  | "published"
  | "puback"
  | "publish_failed"
  | "ack_timeout"
  | "acknowledged"
  | "rejected"
  | "received"
  | "processed"
  | "duplicate"
  | "refused";

export interface DeliveryEntry {
  readonly step: DeliveryStep;
  readonly message_id: string;
  /** Milliseconds since 1970. */
  readonly ts: number;
  /** "" where this process does not know it: an ack of what another one published. */
  readonly topic: string;
  /** PUBLISHes written so far, where it is known. */
  readonly attempt?: number;
  /** Of PUBACK, or why a message was rejected. */
  readonly detail?: string | number;
}

export type InspectEvent = ActorEvent | DeliveriesEvent;

export interface RunningDelay {
  /** `StateDefinition.id` of the state that waits. */
  readonly state: string;
  /** Name of the delay, as the edges have it. */
  readonly delay: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endsAt: number;
}

/** An actor as it stands: what a viewer who comes late asks for. */
export type ActorSnapshot = Omit<ActorEvent, "kind" | "seq" | "v" | "boot"> & {
  readonly status: "active" | "done" | "error";
};

/** An instance as it stands. */
export interface InstanceSnapshot {
  readonly v: typeof WIRE_VERSION;
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  readonly version: string;
  /** `seq` of the last event before it was taken. */
  readonly seq: number;
  readonly ts: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly actors: readonly ActorSnapshot[];
  /** Figures for the overview: a subset of /v1/status without lists of topics. */
  readonly summary: { readonly [key: string]: Json };
  /**
   * The newest events, oldest first, of the 2,000 that are kept; only where they were asked for. Less where they would
   * not fit into a message of the bus. `seq` has holes where steps and contexts were left out.
   */
  readonly recent?: readonly InspectEvent[];
  /** The last snapshot: the instance stops. */
  readonly stopping?: boolean;
  /** The charts that its actors run; only on the bus, where they were asked for. */
  readonly definitions?: readonly MachineDefinition[];
}

/** On `inspect.watch`, every few seconds: a viewer wants events. A viewer that is silent for a while has left. */
export interface WatchBeat {
  readonly v: typeof WIRE_VERSION;
  /** `boot` of the process that has the viewers. */
  readonly viewer: string;
  readonly leaves?: boolean;
}

/** To `snapshot.<service>`. */
export interface SnapshotRequest {
  readonly v: typeof WIRE_VERSION;
  /** `boot` of the sender, which does not answer itself. */
  readonly viewer: string;
  /** Bytes of `recent` that the answer may have; left out, it has none. */
  readonly recentBytes?: number;
  readonly definitions?: boolean;
}

/** How often an instance announces itself, and how long it may be silent before it counts as gone. */
export const ANNOUNCE_EVERY_MS = 3_000;
export const SILENT_AFTER_MS = 9_000;

/**
 * Names and data of the server-sent events of `GET /v1/events`.
 *  - `snapshot`: first of all; the same as `GET /v1/machines?recent=true`.
 *  - `inspect`: one event of one instance. One that is not above the snapshot's `seq` of its `boot` is in it already.
 *  - `instance`: an instance as it stands, without `recent`: when it appears, and each `ANNOUNCE_EVERY_MS`.
 *  - `gone`: an instance that stopped, or was silent for `SILENT_AFTER_MS`. It may come back, under the same `boot` too. A
 *    reader needs no timer of its own. While the bus is `partial`, no instance is reported as gone.
 *  - `bus`: the bus changed.
 */
export interface StreamEvents {
  readonly snapshot: MachinesView;
  readonly inspect: InspectEvent;
  readonly instance: InstanceSnapshot;
  readonly gone: InstanceGone;
  readonly bus: BusView;
}

export interface InstanceGone {
  readonly v: typeof WIRE_VERSION;
  readonly service: ServiceName;
  readonly instance: string;
  readonly boot: string;
  /** Milliseconds since 1970, by the clock of the instance that noticed. */
  readonly ts: number;
  readonly why: "stopped" | "silent";
}

export interface BusView {
  readonly kind: "local" | "nats";
  readonly connected: boolean;
  /** Others may be there that cannot be seen: NATS is configured, and away. */
  readonly partial: boolean;
}

/** `GET /v1/machines`. */
export interface MachinesView {
  /** Of the process that was asked. */
  readonly actors: readonly { readonly [key: string]: unknown }[];
  /** On the whole bus, the one that was asked first. */
  readonly instances: readonly InstanceSnapshot[];
  readonly definitions: readonly MachineDefinition[];
  readonly bus: BusView;
}

/** Operator's commands; the last word of the subject and, with `/` for `.`, of the route. */
export const COMMANDS = [
  "connect",
  "disconnect",
  "reset",
  "breaker.open",
  "breaker.close",
  "pause",
  "resume",
  "drain",
  "replay",
] as const;

export type Command = (typeof COMMANDS)[number];

export interface CommandRequest {
  readonly v: typeof WIRE_VERSION;
  /** The caller, for the audit table. */
  readonly who: string;
  /** The name that the caller claims; for the audit. */
  readonly said?: string;
  /** `replay` takes the body of POST /v1/dead-letters/replay. */
  readonly args?: { readonly [key: string]: Json };
  /** Where it was asked, for the audit: an address, as the publisher that passes the command on saw it. */
  readonly from?: string;
  /** `boot` of the publisher that passes it on: it has obeyed a command to `all` already. */
  readonly origin?: string;
}

export interface CommandReply {
  readonly v: typeof WIRE_VERSION;
  readonly service: ServiceName;
  readonly instance: string;
  readonly ok: boolean;
  /** Why not; a sentence. */
  readonly reason?: string;
  /** 401: not sealed by the key, or not now. 409: the state does not allow it. 400: not understood. 503: PostgreSQL is away. */
  readonly code?: 400 | 401 | 409 | 503;
  readonly result?: Json;
}

/** A chart as data: everything that a diagram needs. */
export interface MachineDefinition {
  /** `link`, `dispatcher`, … */
  readonly id: string;
  readonly states: readonly StateDefinition[];
  readonly edges: readonly EdgeDefinition[];
}

export interface StateDefinition {
  /** As in XState: `link.connection.CONNECTED`; the root has the machine's id. */
  readonly id: string;
  readonly key: string;
  /** Null for the root. */
  readonly parent: string | null;
  readonly type: "atomic" | "compound" | "parallel" | "final";
  /** Id of the child that is entered first. */
  readonly initial: string | null;
  readonly entry: readonly string[];
  readonly exit: readonly string[];
  /** Names of the actors that live while the state is active. */
  readonly invoke: readonly string[];
}

export interface EdgeDefinition {
  /** `<source>#<event>#<place among the transitions of that event>`; stable as long as the machine is. */
  readonly id: string;
  readonly source: string;
  /** Null: it runs actions and stays. */
  readonly target: string | null;
  readonly kind: "event" | "always" | "after" | "done" | "error";
  /** For people: the event's type, the delay's name, the actor's name. */
  readonly label: string;
  readonly guard: string | null;
  readonly actions: readonly string[];
  /** Name of the delay of kind `after`, else null. */
  readonly delay: string | null;
}
