/**
 * The last known state of every actor of every instance.
 *
 * Invariants:
 *  FLEET-1. An event has its actor's complete state: lost events before it do not matter.
 *  FLEET-2. An instance that reports its stop, or is silent for SILENT_MS, is `stopped`. It stays visible for KEEP_MS; a new
 *           boot replaces it.
 *  FLEET-3. At most MAX_INSTANCES are kept; those that stopped first are dropped first.
 */
import {
  type ActorEvent,
  type ActorSnapshot,
  ANNOUNCE_EVERY_MS,
  type InspectEvent,
  type InstanceGone,
  type InstanceSnapshot,
} from "@acktor/shared/inspect/wire";

/** Two missed announcements: the instance has stopped or is unreachable. */
const SILENT_MS = 2.5 * ANNOUNCE_EVERY_MS;
const KEEP_MS = 600_000;
const MAX_INSTANCES = 500;

/** Created once: a comparison without it costs ten times as much, and the list is sorted twenty times a second. */
const byName = new Intl.Collator("en", { numeric: true });

export interface LiveActor extends Omit<ActorSnapshot, "status"> {
  readonly status: ActorSnapshot["status"] | "stopped";
  /** The transitions taken last, and when; empty if only the state is known. */
  readonly edges: readonly string[];
  readonly movedAt: number;
}

export interface LiveInstance {
  readonly key: string;
  readonly service: InstanceSnapshot["service"];
  readonly instance: string;
  readonly boot: string;
  readonly version: string;
  readonly startedAt: number;
  readonly stoppedAt: number | null;
  readonly summary: InstanceSnapshot["summary"];
  readonly actors: ReadonlyMap<string, LiveActor>;
}

export class Fleet {
  readonly #instances = new Map<string, LiveInstance>();
  #sorted: readonly LiveInstance[] | null = null;
  /** When each was last heard, monotonic milliseconds. */
  readonly #heardAt = new Map<string, number>();

  /** By service, then by name; the same array until a change. */
  list(): readonly LiveInstance[] {
    this.#sorted ??= [...this.#instances.values()].sort((a, b) => {
      return byName.compare(b.service, a.service) || byName.compare(a.instance, b.instance);
    });
    return this.#sorted;
  }

  get(key: string): LiveInstance | undefined {
    return this.#instances.get(key);
  }

  /** Takes the present instances; all others have stopped, unless the view is partial. */
  takeAll(snapshots: readonly InstanceSnapshot[], now: number, isPartial: boolean): void {
    const there = new Set(snapshots.map(keyOf));
    for (const snapshot of snapshots) this.#take(snapshot);
    for (const [key, instance] of this.#instances) {
      if (there.has(key) || isPartial) continue;
      if (instance.stoppedAt === null) this.#put(key, { ...instance, stoppedAt: now });
      else if (now - instance.stoppedAt > KEEP_MS) this.#forget(key);
    }
    this.#forgetMost();
  }

  /** Treats every instance as just heard: the stream was lost, so silence means nothing. */
  trustAll(): void {
    for (const key of this.#instances.keys()) this.#heard(key);
  }

  /**
   * Marks instances that were silent for SILENT_MS as stopped; the next event of one marks it live again. FLEET-2
   * @returns whether there were any
   */
  markSilent(now: number): boolean {
    const silent = [...this.#instances.values()].filter(({ key, stoppedAt }) => {
      return stoppedAt === null && performance.now() - (this.#heardAt.get(key) ?? 0) > SILENT_MS;
    });
    for (const instance of silent) this.#put(instance.key, { ...instance, stoppedAt: now });
    return silent.length > 0;
  }

  takeInstance(snapshot: InstanceSnapshot): void {
    this.#take(snapshot);
    this.#forgetMost();
  }

  takeGone(gone: InstanceGone): void {
    const known = this.#instances.get(keyOf(gone));
    if (known?.boot !== gone.boot || known.stoppedAt !== null) return;
    this.#put(known.key, { ...known, stoppedAt: gone.ts });
  }

  takeEvent(event: InspectEvent): void {
    if (event.kind === "deliveries") return;
    const key = keyOf(event);
    const known = this.#instances.get(key);
    // FLEET-1
    const actors = known?.boot === event.boot ? new Map(known.actors) : new Map<string, LiveActor>();
    actors.set(event.actor, actorOf(event, actors.get(event.actor)));
    this.#heard(key);
    const ended = event.actor === "supervisor" && (event.kind === "stopped" || event.value === "STOPPED");
    this.#put(key, {
      ...(known ?? { version: "", summary: {} }),
      startedAt: known?.boot === event.boot ? known.startedAt : event.ts,
      ...{ key, service: event.service, instance: event.instance, boot: event.boot, actors },
      stoppedAt: ended ? event.ts : null,
    });
    this.#forgetMost();
  }

  #take(snapshot: InstanceSnapshot): void {
    const key = keyOf(snapshot);
    this.#heard(key);
    const known = this.#instances.get(key);
    const before = known?.boot === snapshot.boot ? known.actors : new Map<string, LiveActor>();
    const actors = snapshot.actors.map((actor) => {
      const was = before.get(actor.actor);
      // An event may have arrived that is newer than the snapshot.
      const isOlder = was !== undefined && was.ts > actor.ts;
      return [actor.actor, isOlder ? was : { ...actor, edges: actor.edges, movedAt: was?.movedAt ?? 0 }] as const;
    });
    const { service, instance, boot, version, startedAt, summary } = snapshot;
    const rest = { key, service, instance, boot, version, startedAt, summary, stoppedAt: null };
    this.#put(key, { ...rest, actors: new Map(actors) });
  }

  #heard(key: string): void {
    this.#heardAt.set(key, performance.now());
  }

  #put(key: string, instance: LiveInstance): void {
    this.#instances.set(key, instance);
    this.#sorted = null;
  }

  #forget(key: string): void {
    this.#instances.delete(key);
    this.#sorted = null;
    this.#heardAt.delete(key);
  }

  #forgetMost(): void {
    if (this.#instances.size <= MAX_INSTANCES) return; // FLEET-3
    const gone = [...this.#instances.values()].sort((a, b) => (a.stoppedAt ?? Infinity) - (b.stoppedAt ?? Infinity));
    for (const { key } of gone.slice(0, this.#instances.size - MAX_INSTANCES)) this.#forget(key);
  }
}

function keyOf({ service, instance }: Pick<InstanceSnapshot, "service" | "instance">): string {
  return `${service}/${instance}`;
}

/** An actor after an event; a change of the context alone is not a move. */
export function actorOf(event: ActorEvent, before?: LiveActor): LiveActor {
  const { kind, v: _, seq: __, boot: ___, ...rest } = event;
  const moved = kind === "transition";
  return {
    ...rest,
    status: kind === "stopped" ? "stopped" : "active",
    edges: moved ? event.edges : (before?.edges ?? []),
    event: moved ? event.event : (before?.event ?? null),
    movedAt: moved ? event.ts : (before?.movedAt ?? 0),
  };
}
