/**
 * An instance on the bus: it announces itself, answers who asks how it stands, and tells what happens while somebody
 * looks. Viewers of this very process listen here, so that they see it without a bus too.
 *
 * Invariants:
 *  1. Events leave the process only while somebody elsewhere watches; observers are attached only while anybody does.
 *  2. `seq` rises by one per event of this boot, sent or not: what a viewer did not get shows as a hole.
 *  STATION-4. Questions are answered up to `ANSWERS_PER_SECOND` bytes; beyond it they are as if they had been lost.
 *  3. Of one name one actor is followed at a time: the one before is told as stopped before the next one is started.
 */
import type { Bus } from "../bus/bus.ts";
import type { ServiceName, Subjects } from "../protocol/subjects.ts";
import { Budget } from "../runtime/budget.ts";
import { type ActorFact, ActorTap, type FollowedActor } from "./actor-tap.ts";
import { DeliveryFeed } from "./deliveries.ts";
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
  readonly summary: () => { readonly [key: string]: Json };
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

export type EventListener = (event: InspectEvent) => void;

/** A message of NATS has 1 MiB at most, and a seal doubles each quote. */
const MOST_RECENT_BYTES = 512 * 1024;
/** 128 pictures a second without events, or 4 with all of them: a few percent of a core. */
const ANSWERS_PER_SECOND = 2 * 1024 * 1024;
const ANSWERS_BURST = 4 * 1024 * 1024;
const LEAST_ANSWER = 16 * 1024;
const SMALL = { mostBytes: sealedBytes(LIMITS.small) };

export class InspectStation {
  readonly deliveries: DeliveryFeed;
  /** Messages on our subjects that could not be understood. */
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
    this.#options = options;
    this.#startedAt = options.wallClock();
    this.#answers = new Budget(ANSWERS_PER_SECOND, ANSWERS_BURST, options.now());
    this.#viewers = new Viewers({ now: options.now, onChange: () => this.#checkWatched() });
    this.deliveries = new DeliveryFeed((fact) => this.#tell(fact), options.wallClock);
  }

  get watched(): boolean {
    return this.#watched;
  }

  /** Joins the bus. */
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

  /** Says goodbye, and leaves the bus. Twice and early is fine. */
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

  /** Follows an actor that has just been started; it replaces the one of its name. */
  follow(followed: FollowedActor): void {
    if (this.#stopped) return;
    this.#taps.get(followed.name)?.stop();
    const sink = {
      tell: (fact: ActorFact) => this.#tell(fact),
      note: (make: () => ActorFact) => {
        const stamp = this.#stamp();
        this.#ring.push(() => ({ ...stamp, ...make() }));
      },
    };
    this.#taps.set(followed.name, new ActorTap(followed, this.#watched, sink, this.#options.wallClock));
  }

  /** Listens from within the process. @returns what ends it; twice is fine */
  listen(listener: EventListener): () => void {
    if (this.#stopped) return () => undefined;
    this.#listeners.add(listener);
    this.#checkWatched();
    return () => {
      this.#listeners.delete(listener);
      this.#checkWatched();
    };
  }

  /** How it stands. @param recentBytes bytes of the newest events with it; null for none */
  snapshot(recentBytes: number | null): InstanceSnapshot {
    const { service, instance, boot, version, summary, wallClock } = this.#options;
    const actors = [...this.#taps.values()].map((tap) => ({ ...tap.snapshot(), service, instance }));
    const recent = recentBytes === null ? {} : { recent: this.#ring.newest(recentBytes) };
    return {
      v: WIRE_VERSION,
      service,
      instance,
      boot,
      version,
      seq: this.#seq,
      ts: wallClock(),
      startedAt: this.#startedAt,
      actors,
      summary: summary(),
      ...recent,
    };
  }

  #tell(fact: Omit<InspectEvent, "v" | "seq" | "service" | "instance" | "boot">): void {
    const event = { ...this.#stamp(), ...fact } as InspectEvent;
    this.#ring.push(event);
    for (const listener of this.#listeners) listener(event);
    if (!this.#viewers.present) return;
    const { bus, subjects, service, instance } = this.#options;
    const actor = event.kind === "deliveries" ? event.kind : event.actor;
    bus.publish(subjects.event(service, instance, actor), JSON.stringify(event));
  }

  #stamp() {
    const { service, instance, boot } = this.#options;
    this.#seq++;
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
    const { boot, definitions, now } = this.#options;
    const request = readText(snapshotRequest, text, LIMITS.small);
    if (request === null) {
      this.malformed++;
      return;
    }
    if (request.viewer === boot) return;
    const bytes = request.recentBytes === undefined ? null : Math.min(request.recentBytes, MOST_RECENT_BYTES);
    if (!this.#answers.admit(LEAST_ANSWER + (bytes ?? 0), now())) return;
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
