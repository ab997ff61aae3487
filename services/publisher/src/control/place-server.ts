/**
 * Resumes what waits for exact topics and for everything below a topic: what devices announce. Births share a statement, and
 * wait for no walk.
 *
 * Invariants:
 *  PLACE_SERVER-1. At most `MOST_WAITING` places of `MOST_BYTES` wait; what is beyond them is left to the walk.
 *  PLACE_SERVER-2. A place with many messages takes turns with the others, and after `MOST_TURNS` its rest is left to the walk.
 *  PLACE_SERVER-3. What fails is tried again each second: a device that is awake for a minute is not lost to a database that was
 *            away for ten seconds.
 */
import { pause } from "@acktor/shared/runtime/pause";
import { placeOf, type ServedPlace } from "../outbox/serve-places.ts";
import type { Births } from "./presence-watch.ts";
import type { ResumerParts } from "./resumer.ts";

/** Places of one statement: a few milliseconds. */
const BATCH = 64;
const MOST_WAITING = 4_096;
const MOST_BYTES = 262_144;
const MOST_TURNS = 8;
const AGAIN_MS = 1_000;

export class PlaceServer {
  readonly #parts: ResumerParts;
  readonly #rest: Births;
  /** By filter: turns that it has had. */
  readonly #waiting = new Map<string, number>();
  #bytes = 0;
  #running: Promise<void> | null = null;
  readonly #stop = new AbortController();

  /** @param rest takes what is too much for this server */
  constructor(parts: ResumerParts, rest: Births) {
    this.#parts = parts;
    this.#rest = rest;
  }

  /** @param filter without wildcards, or `a/b/#` */
  add(filter: string): void {
    this.#put(filter, 0);
    if (this.#waiting.size === 0) return;
    this.#running ??= this.#run()
      .catch((error) => this.#parts.logger.error({ err: error }, "waiting messages could not be resumed"))
      .finally(() => {
        this.#running = null;
      });
  }

  /** Lets the current statement end. May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #put(filter: string, turns: number): void {
    const before = this.#waiting.get(filter);
    const bytes = before === undefined ? filter.length : 0;
    // PLACE_SERVER-1, PLACE_SERVER-2
    if (turns >= MOST_TURNS || this.#waiting.size >= MOST_WAITING || this.#bytes + bytes > MOST_BYTES) {
      this.#rest.add([filter]);
      return;
    }
    this.#bytes += bytes;
    this.#waiting.set(filter, Math.min(before ?? turns, turns));
  }

  #take(): [filter: string, turns: number][] {
    const batch = [...this.#waiting].slice(0, BATCH);
    for (const [filter] of batch) {
      this.#waiting.delete(filter);
      this.#bytes -= filter.length;
    }
    return batch;
  }

  async #run(): Promise<void> {
    const { outbox, memory, troubles, doorbell } = this.#parts;
    while (!this.#stop.signal.aborted && this.#waiting.size > 0) {
      const batch = this.#take();
      const places = batch.flatMap(([filter]) => placeOf(filter) ?? []);
      const served = troubles.report("resume", await outbox.serve(places, memory));
      if (served.ok) {
        if (served.rows.some(({ moved }) => moved > 0)) doorbell.ringForKnownRows();
        this.#again(batch, served.rows);
        continue;
      }
      // PLACE_SERVER-3
      for (const [filter, turns] of batch) this.#put(filter, turns);
      await pause(AGAIN_MS, this.#stop.signal);
    }
  }

  #again(batch: readonly [filter: string, turns: number][], served: readonly ServedPlace[]): void {
    const more = new Set(served.flatMap((place) => (place.more ? [`${place.topic}${place.below ? "/#" : ""}`] : [])));
    for (const [filter, turns] of batch) if (more.has(filter)) this.#put(filter, turns + 1);
  }
}
