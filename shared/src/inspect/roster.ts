/**
 * Which other instances are there, as they last announced themselves.
 *
 * Invariants:
 *  1. An instance that said goodbye, or was silent for `SILENT_AFTER_MS` while the bus was there, is gone; told once.
 *  2. While the bus is away nobody is gone: nobody could be heard.
 *  3. At most `MOST` are known; one more is not taken up. Of each its names and its number are kept, not what it said.
 *  4. Goodbye is the last word of a boot: what was still under way when it was said brings no instance back. A minute later it
 *     may, so that a goodbye that another one said holds no instance off for good.
 *  ROSTER-5. Where it is asked for (`inOrder`), what is older than the last that was heard of a boot is not taken.
 */
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

export interface RosterOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly onGone: (gone: InstanceGone) => void;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #known = new Map<string, Entry>();
  /** When it was said. */
  readonly #farewells = new Map<string, number>();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  list(): KnownInstance[] {
    return [...this.#known.values()].map(({ service, instance, boot, seq }) => ({ service, instance, boot, seq }));
  }

  knows(one: Omit<KnownInstance, "seq">): boolean {
    return this.#known.has(keyOf(one));
  }

  /** @returns whether it was unknown before; null when it is not taken */
  heard(snapshot: KnownInstance & { readonly stopping?: boolean | undefined }, inOrder = false): boolean | null {
    const key = keyOf(snapshot);
    const now = this.#options.now();
    if (now - (this.#farewells.get(key) ?? Number.NEGATIVE_INFINITY) < FAREWELL_MS) return null;
    const { service, instance, boot, seq } = snapshot;
    const entry = this.#known.get(key);
    if (snapshot.stopping === true) {
      this.#noteFarewell(key, now);
      if (this.#known.delete(key)) this.#tellGone(snapshot, "stopped");
      return null;
    }
    if (entry === undefined) {
      if (this.#known.size >= MOST) return null;
      this.#known.set(key, { service, instance, boot, seq, eventSeq: 0, heardAt: now });
      return true;
    }
    if (inOrder && seq < entry.seq) return null;
    entry.seq = seq;
    entry.heardAt = now;
    return false;
  }

  /** @returns whether an event is of an instance that is known and, where it is asked for, newer than its last one */
  heardEvent(event: KnownInstance, inOrder: boolean): boolean {
    const entry = this.#known.get(keyOf(event));
    if (entry === undefined || (inOrder && event.seq <= entry.eventSeq)) return false;
    entry.eventSeq = event.seq;
    return true;
  }

  /** To be called more often than once a second, while the bus is there. */
  forgetSilent(): void {
    const oldest = this.#options.now() - SILENT_AFTER_MS;
    for (const [key, entry] of [...this.#known]) {
      if (entry.heardAt >= oldest) continue;
      this.#known.delete(key);
      this.#tellGone(entry, "silent");
    }
  }

  /** The bus is back: everybody has his time again. */
  forgive(): void {
    const now = this.#options.now();
    for (const entry of this.#known.values()) entry.heardAt = now;
  }

  #noteFarewell(key: string, now: number): void {
    this.#farewells.delete(key);
    this.#farewells.set(key, now);
    const [oldest] = this.#farewells.keys();
    if (this.#farewells.size > FAREWELLS && oldest !== undefined) this.#farewells.delete(oldest);
  }

  #tellGone({ service, instance, boot }: KnownInstance, why: InstanceGone["why"]): void {
    this.#options.onGone({ v: WIRE_VERSION, service, instance, boot, ts: this.#options.wallClock(), why });
  }
}

/** Names may meet on a bus; a start of a process is there once. */
function keyOf({ service, instance, boot }: Omit<KnownInstance, "seq">): string {
  return JSON.stringify([service, instance, boot]);
}
