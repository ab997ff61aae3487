/**
 * The other instances on the bus, as they last announced themselves.
 *
 * Invariants:
 *  ROSTER-1. An instance that announced its stop, or was silent for `SILENT_AFTER_MS` while the bus was connected, is gone; the
 *     observer is notified once.
 *  ROSTER-2. While the bus is disconnected no instance becomes gone: none could be heard.
 *  ROSTER-3. At most `MOST` instances are known; further ones are ignored. Only their names and sequence numbers are kept.
 *  ROSTER-4. After the stop message of a boot, older messages do not bring the instance back. After a minute they may, so that a
 *     forged stop message does not hide an instance permanently.
 *  ROSTER-5. With `inOrder`, a message older than the last one of its boot is ignored.
 */
import type { Clock } from "../runtime/clock.ts";
import { type InstanceGone, type InstanceSnapshot, SILENT_AFTER_MS, WIRE_VERSION } from "./wire.ts";

const MOST = 1_000;
const FAREWELLS = 1_000;
const FAREWELL_MS = 60_000;

/** What is known of an instance. */
export type KnownInstance = Pick<InstanceSnapshot, "service" | "instance" | "boot" | "seq">;

interface Entry extends KnownInstance {
  seq: number;
  /** Of the newest event. */
  eventSeq: number;
  heardAt: number;
}

export interface RosterObserver {
  instanceGone(gone: InstanceGone): void;
}

export class Roster {
  readonly #clock: Clock;
  readonly #observer: RosterObserver;
  readonly #known = new Map<string, Entry>();
  /** When each stop message came. */
  readonly #farewells = new Map<string, number>();

  constructor(clock: Clock, observer: RosterObserver) {
    this.#clock = clock;
    this.#observer = observer;
  }

  list(): KnownInstance[] {
    return [...this.#known.values()].map(({ service, instance, boot, seq }) => ({ service, instance, boot, seq }));
  }

  knows(one: Omit<KnownInstance, "seq">): boolean {
    return this.#known.has(keyOf(one));
  }

  /** @returns whether the instance was unknown before; null when the message is ignored */
  heard(snapshot: KnownInstance & { readonly stopping?: boolean | undefined }, inOrder = false): boolean | null {
    const key = keyOf(snapshot);
    const now = this.#clock.now();
    if (now - (this.#farewells.get(key) ?? Number.NEGATIVE_INFINITY) < FAREWELL_MS) return null; // ROSTER-4
    const { service, instance, boot, seq } = snapshot;
    const entry = this.#known.get(key);
    if (snapshot.stopping === true) {
      this.#noteFarewell(key, now);
      if (this.#known.delete(key)) this.#tellGone(snapshot, "stopped");
      return null;
    }
    if (entry === undefined) {
      if (this.#known.size >= MOST) return null; // ROSTER-3
      this.#known.set(key, { service, instance, boot, seq, eventSeq: 0, heardAt: now });
      return true;
    }
    if (inOrder && seq < entry.seq) return null; // ROSTER-5
    entry.seq = seq;
    entry.heardAt = now;
    return false;
  }

  /** @returns whether the instance is known and, with `inOrder`, the event is newer than its last one */
  heardEvent(event: KnownInstance, inOrder: boolean): boolean {
    const entry = this.#known.get(keyOf(event));
    if (entry === undefined || (inOrder && event.seq <= entry.eventSeq)) return false;
    entry.eventSeq = event.seq;
    return true;
  }

  /** ROSTER-1. Call it more often than once a second while the bus is connected. */
  forgetSilent(): void {
    const oldest = this.#clock.now() - SILENT_AFTER_MS;
    for (const [key, entry] of [...this.#known]) {
      if (entry.heardAt >= oldest) continue;
      this.#known.delete(key);
      this.#tellGone(entry, "silent");
    }
  }

  /** ROSTER-2: the bus is connected again, so every silence starts now. */
  forgive(): void {
    const now = this.#clock.now();
    for (const entry of this.#known.values()) entry.heardAt = now;
  }

  #noteFarewell(key: string, now: number): void {
    this.#farewells.delete(key);
    this.#farewells.set(key, now);
    const [oldest] = this.#farewells.keys();
    if (this.#farewells.size > FAREWELLS && oldest !== undefined) this.#farewells.delete(oldest);
  }

  #tellGone({ service, instance, boot }: KnownInstance, why: InstanceGone["why"]): void {
    this.#observer.instanceGone({ v: WIRE_VERSION, service, instance, boot, ts: this.#clock.wallClock(), why });
  }
}

/** Two instances may have the same name; a boot is unique. */
function keyOf({ service, instance, boot }: Omit<KnownInstance, "seq">): string {
  return JSON.stringify([service, instance, boot]);
}
