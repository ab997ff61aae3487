/**
 * An instance on the bus: it announces itself, answers questions about its state, and sends events while there are viewers.
 * Viewers of this process listen here, so that they need no bus.
 *
 * Invariants:
 *  STATION-1. Events leave the process only while another process watches; actors are observed only while there is a viewer.
 *  STATION-2. `seq` rises by one with each event of this boot, sent or not: a viewer sees a gap where it missed events.
 *  STATION-3. One actor per name is followed at a time: the previous one is reported as stopped before the next one starts.
 *  STATION-4. Answers are limited to `ANSWERS_PER_SECOND` bytes; further questions get no answer.
 */
import type { Bus } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import { Budget } from "../runtime/budget.ts";
import type { Clock } from "../runtime/clock.ts";
import { type ActorFact, ActorTap, type FollowedActor, type TapSink } from "./actor-tap.ts";
import { DeliveryFeed, type DeliverySink } from "./deliveries.ts";
import { EventRing } from "./event-ring.ts";
import { Viewers } from "./viewers.ts";
import {
  ANNOUNCE_EVERY_MS,
  type InspectEvent,
  type InstanceSnapshot,
  type Json,
  type MachineDefinition,
  WIRE_VERSION,
} from "./wire.ts";
import { LIMITS, readText, sealedBytes, snapshotRequest, watchBeat } from "./wire-schemas.ts";

export interface StationOptions {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly service: ServiceName;
  readonly instance: string;
  /** Differs with every start of the process. */
  readonly boot: string;
  readonly version: string;
  readonly definitions: readonly MachineDefinition[];
  readonly summarized: Summarized;
  readonly clock: Clock;
}

export interface Summarized {
  /** Figures of the service for its announcements. */
  summary(): { readonly [key: string]: Json };
}

export type EventListener = (event: InspectEvent) => void;

/** A NATS message has at most 1 MiB, and the seal doubles each quote. */
const MOST_RECENT_BYTES = 512 * 1024;
/** 128 answers a second without events, or 4 with all events: a few percent of a core. */
const ANSWERS_PER_SECOND = 2 * 1024 * 1024;
const ANSWERS_BURST = 4 * 1024 * 1024;
const LEAST_ANSWER = 16 * 1024;
const SMALL = { mostBytes: sealedBytes(LIMITS.small) };

export class InspectStation implements TapSink, DeliverySink {
  readonly deliveries: DeliveryFeed;
  /** Invalid messages on the subjects of this instance. */
  malformed = 0;
  readonly #options: StationOptions;
  readonly #startedAt: number;
  readonly #ring = new EventRing();
  readonly #taps = new Map<string, ActorTap>();
  readonly #listeners = new Set<EventListener>();
  readonly #viewers: Viewers;
  readonly #answers: Budget;
  #subscriptions: (() => void)[] = [];
  #announcing: NodeJS.Timeout | null = null;
  #seq = 0;
  #watched = false;
  #stopped = false;

  constructor(options: StationOptions) {
    const { clock } = options;
    this.#options = options;
    this.#startedAt = clock.wallClock();
    this.#answers = new Budget(ANSWERS_PER_SECOND, ANSWERS_BURST, clock.now());
    this.#viewers = new Viewers(clock, { viewersChanged: () => this.#checkWatched() });
    this.deliveries = new DeliveryFeed(this, clock);
  }

  get watched(): boolean {
    return this.#watched;
  }

  /** Subscribes and announces the instance. */
  start(): void {
    const { bus, subjects, service } = this.#options;
    if (this.#stopped || this.#announcing !== null) return;
    this.#subscriptions = [
      bus.subscribe(subjects.watch, ({ text }) => this.#onBeat(text), SMALL),
      bus.subscribe(subjects.snapshot(service), ({ text, respond }) => this.#onRequest(text, respond), SMALL),
      bus.onStatus((connected) => {
        if (connected) this.#announce();
      }),
    ];
    this.#announcing = setInterval(() => this.#announce(), ANNOUNCE_EVERY_MS);
    this.#announce();
  }

  /** Announces the stop and unsubscribes. May be called early and twice. */
  stop(): void {
    if (this.#stopped) return;
    const joined = this.#announcing !== null;
    for (const tap of this.#taps.values()) tap.stop();
    if (joined) this.#announce({ stopping: true });
    this.#stopped = true;
    if (this.#announcing !== null) clearInterval(this.#announcing);
    this.#announcing = null;
    for (const end of this.#subscriptions.splice(0)) end();
    this.#viewers.stop();
    this.#listeners.clear();
    this.deliveries.setWatched(false);
  }

  /** STATION-3. Follows an actor that has just been started. */
  follow(followed: FollowedActor): void {
    if (this.#stopped) return;
    this.#taps.get(followed.name)?.stop();
    this.#taps.set(followed.name, new ActorTap(followed, this.#watched, this, this.#options.clock));
  }

  /** Keeps a fact in the ring, and sends it where there are viewers. */
  tell(fact: Omit<InspectEvent, "v" | "seq" | "service" | "instance" | "boot">): void {
    const event = { ...this.#stamp(), ...fact } as InspectEvent;
    this.#ring.push(event);
    for (const listener of this.#listeners) listener(event);
    if (!this.#viewers.present) return; // STATION-1
    const { bus, subjects, service, instance } = this.#options;
    const actor = event.kind === "deliveries" ? event.kind : event.actor;
    bus.publish(subjects.event(service, instance, actor), JSON.stringify(event));
  }

  /** Keeps a fact that no viewer sees now. */
  note(make: () => ActorFact): void {
    const stamp = this.#stamp();
    this.#ring.push(() => ({ ...stamp, ...make() }));
  }

  /** Listens within the process. @returns what ends it; may be called twice */
  listen(listener: EventListener): () => void {
    if (this.#stopped) return () => undefined;
    this.#listeners.add(listener);
    this.#checkWatched();
    return () => {
      this.#listeners.delete(listener);
      this.#checkWatched();
    };
  }

  /** The current state. @param recentBytes bytes of newest events to include; null for none */
  snapshot(recentBytes: number | null): InstanceSnapshot {
    const { service, instance, boot, version, summarized, clock } = this.#options;
    const actors = [...this.#taps.values()].map((tap) => ({ ...tap.snapshot(), service, instance }));
    const recent = recentBytes === null ? {} : { recent: this.#ring.newest(recentBytes) };
    return {
      v: WIRE_VERSION,
      service,
      instance,
      boot,
      version,
      seq: this.#seq,
      ts: clock.wallClock(),
      startedAt: this.#startedAt,
      actors,
      summary: summarized.summary(),
      ...recent,
    };
  }

  #stamp() {
    const { service, instance, boot } = this.#options;
    this.#seq++; // STATION-2
    return { v: WIRE_VERSION, seq: this.#seq, service, instance, boot } as const;
  }

  #announce(last: { readonly stopping?: true } = {}): void {
    const { bus, subjects, service, instance } = this.#options;
    bus.publish(subjects.announce(service, instance), JSON.stringify({ ...this.snapshot(null), ...last }));
  }

  #onBeat(text: string): void {
    const beat = readText(watchBeat, text, LIMITS.small);
    if (beat === null) this.malformed++;
    else if (beat.viewer === this.#options.boot) return;
    else if (beat.leaves) this.#viewers.leave(beat.viewer);
    else this.#viewers.beat(beat.viewer);
  }

  #onRequest(text: string, respond: (text: string) => void): void {
    const { boot, definitions, clock } = this.#options;
    const request = readText(snapshotRequest, text, LIMITS.small);
    if (request === null) {
      this.malformed++;
      return;
    }
    if (request.viewer === boot) return;
    const bytes = request.recentBytes === undefined ? null : Math.min(request.recentBytes, MOST_RECENT_BYTES);
    if (!this.#answers.admit(LEAST_ANSWER + (bytes ?? 0), clock.now())) return; // STATION-4
    respond(JSON.stringify({ ...this.snapshot(bytes), ...(request.definitions ? { definitions } : {}) }));
  }

  #checkWatched(): void {
    const watched = this.#viewers.present || this.#listeners.size > 0;
    if (watched === this.#watched || this.#stopped) return;
    this.#watched = watched;
    this.deliveries.setWatched(watched);
    for (const tap of this.#taps.values()) {
      if (watched) tap.attach();
      else tap.detach();
    }
  }
}
