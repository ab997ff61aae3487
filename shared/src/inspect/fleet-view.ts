/**
 * All instances on the bus, for the viewers of one process: what `/v1/machines` and `/v1/events` show.
 *
 * Invariants:
 *  FLEET_VIEW-1. The own instance is seen without the bus, so also while NATS is unreachable.
 *  FLEET_VIEW-2. While there are viewers, a beat goes to the other instances every `BEAT_EVERY_MS`, and immediately when an instance
 *     appears; when the last viewer has left, they receive one message.
 *  FLEET_VIEW-3. A message that is invalid, or comes on the subject of another instance, is counted and ignored.
 *  FLEET_VIEW-4. Of other instances only the roster's entries are kept, and viewers receive at most `FOREIGN_PER_SECOND` bytes of
 *     them: a flood costs a viewer gaps, never its stream.
 *  FLEET_VIEW-5. A listener that fails is counted and does not affect the others.
 */
import type { Bus, BusMessage } from "../bus/bus.ts";
import { MOST_REPLIES } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import { Budget } from "../runtime/budget.ts";
import type { Clock } from "../runtime/clock.ts";
import { type KnownInstance, Roster } from "./roster.ts";
import type { InspectStation } from "./station.ts";
import { BEAT_EVERY_MS } from "./viewers.ts";
import {
  ANNOUNCE_EVERY_MS,
  type BusView,
  type InspectEvent,
  type InstanceSnapshot,
  type MachineDefinition,
  type StreamEvents,
  WIRE_VERSION,
} from "./wire.ts";
import { inspectEvent, instanceSnapshot, LIMITS, readFrom, readSnapshot, sealedBytes } from "./wire-schemas.ts";

export interface FleetViewOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly station: InspectStation;
  readonly boot: string;
  readonly definitions: readonly MachineDefinition[];
  readonly clock: Clock;
}

export type FleetEvent = {
  [K in Exclude<keyof StreamEvents, "snapshot">]: { readonly name: K; readonly data: StreamEvents[K] };
}[Exclude<keyof StreamEvents, "snapshot">];

export type FleetListener = (event: FleetEvent) => void;

export interface FleetPicture {
  readonly instances: readonly InstanceSnapshot[];
  readonly definitions: readonly MachineDefinition[];
  readonly bus: BusView;
}

const SERVICES: readonly ServiceName[] = ["publisher", "acker"];
const MEDIUM = { mostBytes: sealedBytes(LIMITS.medium) };
const SWEEP_EVERY_MS = 500;
/** Known instances answer within milliseconds. */
const GATHER_MS = 500;
/** Recent events of all instances together that a new viewer receives. */
const RECENT_BYTES = 2 * 1024 * 1024;
const LEAST_RECENT_BYTES = 16 * 1024;
/** A viewer is dropped when a MiB waits for it (event-stream.ts); a fleet of 1,000 sends 2 MiB a second. */
const FOREIGN_PER_SECOND = 2 * 1024 * 1024;
const FOREIGN_BURST = 512 * 1024;
/** Machine definitions of other instances in one picture. */
const MOST_CHARTS = 50;

export class FleetView {
  malformed = 0;
  /** Number of times that a listener failed. */
  failures = 0;
  readonly #options: FleetViewOptions;
  readonly #roster: Roster;
  readonly #budget: Budget;
  readonly #listeners = new Set<FleetListener>();
  #subscriptions: (() => void)[] = [];
  /** Ends what runs only while there are viewers. */
  #watching: (() => void)[] = [];
  #timers: NodeJS.Timeout[] = [];
  #beating: NodeJS.Immediate | null = null;
  #greeting: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: FleetViewOptions) {
    this.#options = options;
    const { clock } = options;
    this.#budget = new Budget(FOREIGN_PER_SECOND, FOREIGN_BURST, clock.now());
    this.#roster = new Roster(clock, { instanceGone: (data) => this.#tell({ name: "gone", data }) });
  }

  get viewers(): number {
    return this.#listeners.size;
  }

  bus(): BusView {
    const { kind, connected } = this.#options.bus;
    return { kind, connected, partial: !connected };
  }

  start(): void {
    const { bus, subjects } = this.#options;
    if (this.#stopped || this.#subscriptions.length > 0) return;
    this.#subscriptions = [
      bus.subscribe(subjects.allAnnouncements, (message) => this.#onAnnouncement(message), MEDIUM),
      bus.onStatus((connected) => this.#onStatus(connected)),
    ];
    this.#timers = [
      setInterval(() => {
        if (bus.connected) this.#roster.forgetSilent();
      }, SWEEP_EVERY_MS),
    ];
    if (bus.connected) this.#greet();
  }

  /** May be called early and twice. */
  stop(): void {
    this.#stopped = true;
    this.#listeners.clear();
    this.#unwatch();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    if (this.#beating !== null) clearImmediate(this.#beating);
    this.#beating = null;
    for (const end of this.#subscriptions.splice(0)) end();
  }

  /** Calls `listener` with every event from now on. @returns what ends it; may be called twice */
  listen(listener: FleetListener): () => void {
    if (this.#stopped) return () => undefined;
    this.#listeners.add(listener);
    if (this.#watching.length === 0) this.#watch();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#unwatch();
    };
  }

  /** The current state of every instance. @param recent with its newest events */
  async picture(recent: boolean): Promise<FleetPicture> {
    const { station, definitions } = this.#options;
    await this.#greeting;
    const known = this.#roster.list();
    const share = Math.max(LEAST_RECENT_BYTES, Math.floor(RECENT_BYTES / (known.length + 1)));
    const recentBytes = recent ? share : null;
    const gathered = await Promise.all(
      SERVICES.map((service) =>
        this.#gather(service, known.filter((one) => one.service === service).length, recentBytes, true),
      ),
    );
    const others = gathered.flat();
    const charts = new Map(definitions.map((one) => [one.id, one]));
    for (const one of others.flatMap((other) => other.definitions ?? [])) {
      if (!charts.has(one.id) && charts.size < definitions.length + MOST_CHARTS) charts.set(one.id, one);
    }
    // FLEET_VIEW-1
    const instances = [station.snapshot(recentBytes), ...others.map(({ definitions: _, ...snapshot }) => snapshot)];
    return { instances, definitions: [...charts.values()], bus: this.bus() };
  }

  /** How many other instances of a service are known. */
  count(service: ServiceName): number {
    return this.#roster.list().filter((one) => one.service === service).length;
  }

  /** @param knownOnly false: also takes instances that are not known yet */
  async #gather(
    service: ServiceName,
    most: number,
    recentBytes: number | null,
    knownOnly: boolean,
  ): Promise<InstanceSnapshot[]> {
    if (most === 0) return [];
    const { bus, subjects, boot } = this.#options;
    const request = {
      v: WIRE_VERSION,
      viewer: boot,
      definitions: true,
      ...(recentBytes === null ? {} : { recentBytes }),
    };
    const found = new Map<string, InstanceSnapshot>();
    const accept = (text: string): boolean => {
      const read = readSnapshot(text);
      this.malformed += read === null ? 1 : read.leftOut;
      if (read === null || !this.#takes(read.snapshot, service, knownOnly) || found.has(read.snapshot.boot))
        return false;
      found.set(read.snapshot.boot, read.snapshot);
      return true;
    };
    await bus.requestMany(subjects.snapshot(service), JSON.stringify(request), { forMs: GATHER_MS, most, accept });
    for (const snapshot of found.values()) this.#roster.heard(snapshot);
    return knownOnly ? [...found.values()] : [];
  }

  #takes(snapshot: KnownInstance, service: ServiceName, knownOnly: boolean): boolean {
    return snapshot.service === service && (!knownOnly || this.#roster.knows(snapshot));
  }

  /** Asks the instances that started earlier once, rather than wait for their announcements. */
  #greet(): void {
    const asked = SERVICES.map((service) => this.#gather(service, MOST_REPLIES, null, false));
    this.#greeting = Promise.all(asked).catch(() => void this.failures++);
  }

  #onStatus(connected: boolean): void {
    if (connected) {
      this.#roster.forgive();
      this.#greet();
      if (this.#listeners.size > 0) this.#beat();
    }
    this.#tell({ name: "bus", data: this.bus() });
  }

  #onAnnouncement({ subject, text, nonce }: BusMessage): void {
    const snapshot = readFrom(instanceSnapshot, text, subject, this.#options.subjects);
    if (snapshot === null) {
      this.malformed++; // FLEET_VIEW-3
      return;
    }
    if (snapshot.boot === this.#options.boot) return;
    const isNew = this.#roster.heard(snapshot, nonce !== null);
    if (isNew === null) return;
    if (isNew && this.#listeners.size > 0) this.#beatSoon();
    this.#tellOf({ name: "instance", data: withoutExtras(snapshot as InstanceSnapshot) }, text);
  }

  #onEvent({ subject, text, nonce }: BusMessage): void {
    const event = readFrom(inspectEvent, text, subject, this.#options.subjects);
    if (event === null) this.malformed++;
    else if (event.boot !== this.#options.boot && this.#roster.heardEvent(event, nonce !== null)) {
      this.#tellOf({ name: "inspect", data: event as InspectEvent }, text);
    }
  }

  /** FLEET_VIEW-4 */
  #tellOf(event: FleetEvent, text: string): void {
    if (this.#listeners.size > 0 && this.#budget.admit(text.length, this.#options.clock.now())) this.#tell(event);
  }

  #watch(): void {
    const { bus, subjects, station } = this.#options;
    const beating = setInterval(() => this.#beat(), BEAT_EVERY_MS);
    const own = setInterval(() => this.#tell({ name: "instance", data: station.snapshot(null) }), ANNOUNCE_EVERY_MS);
    this.#watching = [
      station.listen((data) => this.#tell({ name: "inspect", data })),
      bus.subscribe(subjects.allEvents, (message) => this.#onEvent(message), MEDIUM),
      () => clearInterval(beating),
      () => clearInterval(own),
    ];
    this.#beat();
  }

  #unwatch(): void {
    const watched = this.#watching.length > 0;
    for (const end of this.#watching.splice(0)) end();
    if (watched) this.#beat({ leaves: true });
  }

  /** FLEET_VIEW-2 */
  #beat(last: { readonly leaves?: true } = {}): void {
    const { bus, subjects, boot } = this.#options;
    bus.publish(subjects.watch, JSON.stringify({ v: WIRE_VERSION, viewer: boot, ...last }));
  }

  /** One beat for all instances that appear in one turn. */
  #beatSoon(): void {
    this.#beating ??= setImmediate(() => {
      this.#beating = null;
      if (this.#listeners.size > 0) this.#beat();
    });
  }

  #tell(event: FleetEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        this.failures++; // FLEET_VIEW-5
      }
    }
  }
}

function withoutExtras({ recent: _, definitions: __, ...snapshot }: InstanceSnapshot): InstanceSnapshot {
  return snapshot;
}
