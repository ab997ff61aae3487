/**
 * All instances on the bus, for the viewers of one process: what `/v1/machines` and `/v1/events` show.
 *
 * Invariants:
 *  1. This process's own instance is seen without the bus, so also while NATS is away.
 *  2. Others are told that somebody watches every `BEAT_EVERY_MS` while there are viewers, at once when an instance
 *     appears, and that nobody does any more when the last one has left.
 *  3. What is not understood, or says it is somebody else, is counted and ignored.
 */
import type { Bus } from "../bus/bus.ts";
import { MOST_REPLIES } from "../bus/bus.ts";
import type { Subjects } from "../bus/subjects.ts";
import { Roster } from "./roster.ts";
import type { InspectStation } from "./station.ts";
import { BEAT_EVERY_MS } from "./viewers.ts";
import {
  ANNOUNCE_EVERY_MS,
  type BusView,
  type InspectEvent,
  type InstanceSnapshot,
  type MachineDefinition,
  type ServiceName,
  type StreamEvents,
  WIRE_VERSION,
} from "./wire.ts";
import { inspectEvent, instanceSnapshot, readFrom, readText } from "./wire-schemas.ts";

export interface FleetViewOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly station: InspectStation;
  readonly boot: string;
  readonly definitions: readonly MachineDefinition[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
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
const SWEEP_EVERY_MS = 500;
/** Answers of who is known to be there come within milliseconds; nobody is waited for longer. */
const GATHER_MS = 500;
/** Of all instances' events together, what a newcomer gets. */
const RECENT_BYTES = 2 * 1024 * 1024;
const LEAST_RECENT_BYTES = 16 * 1024;

export class FleetView {
  malformed = 0;
  readonly #options: FleetViewOptions;
  readonly #roster: Roster;
  readonly #listeners = new Set<FleetListener>();
  #subscriptions: (() => void)[] = [];
  /** What listens only while somebody looks. */
  #watching: (() => void)[] = [];
  #timers: NodeJS.Timeout[] = [];
  #greeting: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: FleetViewOptions) {
    this.#options = options;
    const { now, wallClock } = options;
    this.#roster = new Roster({ now, wallClock, onGone: (data) => this.#tell({ name: "gone", data }) });
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
      bus.subscribe(subjects.allAnnouncements, ({ subject, text }) => this.#onAnnouncement(subject, text)),
      bus.onStatus((connected) => this.#onStatus(connected)),
    ];
    this.#timers = [
      setInterval(() => {
        if (bus.connected) this.#roster.forgetSilent();
      }, SWEEP_EVERY_MS),
    ];
    if (bus.connected) this.#greet();
  }

  /** Twice and early is fine. */
  stop(): void {
    this.#stopped = true;
    this.#listeners.clear();
    this.#unwatch();
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    for (const end of this.#subscriptions.splice(0)) end();
  }

  /** Tells everything from now on. @returns what ends it; twice is fine */
  listen(listener: FleetListener): () => void {
    if (this.#stopped) return () => undefined;
    this.#listeners.add(listener);
    if (this.#watching.length === 0) this.#watch();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#unwatch();
    };
  }

  /** Every instance as it stands now. @param recent with its newest events */
  async picture(recent: boolean): Promise<FleetPicture> {
    const { station, definitions } = this.#options;
    await this.#greeting;
    const known = this.#roster.list();
    const share = Math.max(LEAST_RECENT_BYTES, Math.floor(RECENT_BYTES / (known.length + 1)));
    const recentBytes = recent ? share : null;
    const gathered = await Promise.all(
      SERVICES.map((service) =>
        this.#gather(service, known.filter((one) => one.service === service).length, recentBytes, GATHER_MS),
      ),
    );
    const others = gathered.flat();
    const charts = new Map(definitions.map((one) => [one.id, one]));
    for (const one of others.flatMap((other) => other.definitions ?? [])) {
      if (!charts.has(one.id)) charts.set(one.id, one);
    }
    const instances = [station.snapshot(recentBytes), ...others.map(({ definitions: _, ...snapshot }) => snapshot)];
    return { instances, definitions: [...charts.values()], bus: this.bus() };
  }

  /** How many others of a service are known. */
  count(service: ServiceName): number {
    return this.#roster.list().filter((one) => one.service === service).length;
  }

  async #gather(
    service: ServiceName,
    most: number,
    recentBytes: number | null,
    forMs: number,
  ): Promise<InstanceSnapshot[]> {
    if (most === 0) return [];
    const { bus, subjects, boot } = this.#options;
    const request = {
      v: WIRE_VERSION,
      viewer: boot,
      definitions: true,
      ...(recentBytes === null ? {} : { recentBytes }),
    };
    const texts = await bus.requestMany(subjects.snapshot(service), JSON.stringify(request), { forMs, most });
    return texts.flatMap((text) => {
      const snapshot = readText(instanceSnapshot, text) as InstanceSnapshot | null;
      if (snapshot === null || snapshot.service !== service) {
        this.malformed++;
        return [];
      }
      this.#roster.heard(withoutExtras(snapshot));
      return [snapshot];
    });
  }

  /** Who was there before us is asked once, not waited for until it announces itself. */
  #greet(): void {
    const asked = SERVICES.map((service) => this.#gather(service, MOST_REPLIES, null, GATHER_MS));
    this.#greeting = Promise.all(asked);
  }

  #onStatus(connected: boolean): void {
    if (connected) {
      this.#roster.forgive();
      this.#greet();
      if (this.#listeners.size > 0) this.#beat();
    }
    this.#tell({ name: "bus", data: this.bus() });
  }

  #onAnnouncement(subject: string, text: string): void {
    const snapshot = readFrom(instanceSnapshot, text, subject, this.#options.subjects) as InstanceSnapshot | null;
    if (snapshot === null) {
      this.malformed++;
      return;
    }
    if (snapshot.boot === this.#options.boot) return;
    const isNew = this.#roster.heard(snapshot);
    if (isNew === null) return;
    if (isNew && this.#listeners.size > 0) this.#beat();
    this.#tell({ name: "instance", data: withoutExtras(snapshot) });
  }

  #onEvent(subject: string, text: string): void {
    const event = readFrom(inspectEvent, text, subject, this.#options.subjects) as InspectEvent | null;
    if (event === null) this.malformed++;
    else if (event.boot !== this.#options.boot) this.#tell({ name: "inspect", data: event });
  }

  #watch(): void {
    const { bus, subjects, station } = this.#options;
    const beating = setInterval(() => this.#beat(), BEAT_EVERY_MS);
    const own = setInterval(() => this.#tell({ name: "instance", data: station.snapshot(null) }), ANNOUNCE_EVERY_MS);
    this.#watching = [
      station.listen((data) => this.#tell({ name: "inspect", data })),
      bus.subscribe(subjects.allEvents, ({ subject, text }) => this.#onEvent(subject, text)),
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

  #beat(last: { readonly leaves?: true } = {}): void {
    const { bus, subjects, boot } = this.#options;
    bus.publish(subjects.watch, JSON.stringify({ v: WIRE_VERSION, viewer: boot, ...last }));
  }

  #tell(event: FleetEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function withoutExtras({ recent: _, definitions: __, ...snapshot }: InstanceSnapshot): InstanceSnapshot {
  return snapshot;
}
