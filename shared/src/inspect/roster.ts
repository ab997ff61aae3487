/**
 * Which other instances are there, as they last announced themselves.
 *
 * Invariants:
 *  1. An instance that said goodbye, or was silent for `SILENT_AFTER_MS` while the bus was there, is gone; told once.
 *  2. While the bus is away nobody is gone: nobody could be heard.
 *  3. At most `MOST` are known; one more is not taken up.
 *  4. Goodbye is the last word of a boot: what was still under way when it was said brings nobody back.
 */
import { type InstanceGone, type InstanceSnapshot, SILENT_AFTER_MS, WIRE_VERSION } from "./wire.ts";

const MOST = 1_000;
const FAREWELLS = 1_000;

export interface RosterOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly onGone: (gone: InstanceGone) => void;
}

export class Roster {
  readonly #options: RosterOptions;
  readonly #known = new Map<string, { snapshot: InstanceSnapshot; heardAt: number }>();
  readonly #farewells = new Set<string>();

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  list(): InstanceSnapshot[] {
    return [...this.#known.values()].map(({ snapshot }) => snapshot);
  }

  /** @returns whether it was unknown before; null when it is none of ours to know */
  heard(snapshot: InstanceSnapshot): boolean | null {
    const key = keyOf(snapshot);
    if (this.#farewells.has(key)) return null;
    if (snapshot.stopping === true) {
      this.#noteFarewell(key);
      if (this.#known.delete(key)) this.#tellGone(snapshot, "stopped");
      return null;
    }
    const isNew = !this.#known.has(key);
    if (isNew && this.#known.size >= MOST) return null;
    this.#known.set(key, { snapshot, heardAt: this.#options.now() });
    return isNew;
  }

  /** To be called more often than once a second, while the bus is there. */
  forgetSilent(): void {
    const oldest = this.#options.now() - SILENT_AFTER_MS;
    for (const [key, { snapshot, heardAt }] of [...this.#known]) {
      if (heardAt >= oldest) continue;
      this.#known.delete(key);
      this.#tellGone(snapshot, "silent");
    }
  }

  /** The bus is back: everybody has his time again. */
  forgive(): void {
    const now = this.#options.now();
    for (const entry of this.#known.values()) entry.heardAt = now;
  }

  #noteFarewell(key: string): void {
    this.#farewells.add(key);
    const [oldest] = this.#farewells;
    if (this.#farewells.size > FAREWELLS && oldest !== undefined) this.#farewells.delete(oldest);
  }

  #tellGone({ service, instance, boot }: InstanceSnapshot, why: InstanceGone["why"]): void {
    this.#options.onGone({ v: WIRE_VERSION, service, instance, boot, ts: this.#options.wallClock(), why });
  }
}

/** Names may meet on a bus; a start of a process is there once. */
function keyOf({ service, instance, boot }: InstanceSnapshot): string {
  return JSON.stringify([service, instance, boot]);
}
