/**
 * Makes waiting rows due when an acker appears: page by page, all births together.
 *
 * Invariants:
 *  RESUMER-1. At most as many filters wait as `WaitingFilters` holds; more become "everything", which resumes no row too late.
 *  RESUMER-2. A stop waits for one page, not for all rows that wait.
 *  RESUMER-3. A birth is served from the next page on, however far the walk of another one has to go, and no filter changes
 *             what a page costs. Births that come without end get a quarter of the time.
 *  RESUMER-4. A page that fails ends the walk with a warning: rows come due by their own schedule, a birth only makes them due
 *             earlier. When births keep joining, filters are forgotten after `LONGEST_MS`.
 */
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { TroubleDesk } from "@acktor/shared/runtime/troubles";
import type { BirthStore, Outcome } from "../outbox/outbox.ts";
import { type Birth, FIRST_ID, FIRST_SLOT, prefixesOf } from "../outbox/resume-matching.ts";
import type { Births } from "./presence-watch.ts";
import { Round } from "./round.ts";
import { WaitingFilters } from "./waiting-filters.ts";

const LONGEST_MS = 60_000;
const REST = 3;

export interface ResumerParts {
  readonly outbox: BirthStore;
  /** A destination that a birth is not to resume. */
  readonly parked: { isParked(destination: string): boolean };
  readonly doorbell: { ringForKnownRows(): void };
  readonly troubles: TroubleDesk;
  readonly logger: Logger;
  readonly clock: Clock;
}

export class Resumer implements Births {
  readonly #parts: ResumerParts;
  /** Since the last page. */
  readonly #waiting = new WaitingFilters();
  /** Those of the walk. */
  readonly #walking = new WaitingFilters();
  readonly #destinations = new Round(FIRST_SLOT);
  readonly #rows = new Round(FIRST_ID);
  #running: Promise<void> | null = null;
  readonly #stop = new AbortController();

  constructor(parts: ResumerParts) {
    this.#parts = parts;
  }

  add(filters: readonly string[]): void {
    if (filters.length === 0) return;
    // RESUMER-1
    this.#waiting.add(filters);
    this.#running ??= this.#run()
      .catch((error) => this.#parts.logger.error({ err: error }, "waiting messages could not be resumed"))
      .finally(() => {
        this.#running = null;
        this.#walking.take();
        this.#destinations.leave();
        this.#rows.leave();
      });
  }

  /** Lets the current page end. May be called early; a second call has no effect. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, clock } = this.#parts;
    let startedAt = clock.now();
    let birth: Birth | null = null;
    let joined = false;
    let moved = 0;
    // RESUMER-2
    while (!this.#stop.signal.aborted) {
      joined ||= birth !== null && this.#waiting.size > 0;
      if (clock.now() - startedAt > LONGEST_MS) {
        this.#walking.take();
        startedAt = clock.now();
      }
      // RESUMER-3
      if (this.#waiting.size > 0) birth = this.#join();
      if (birth === null || !this.#isUnderWay) return;
      const pageAt = clock.now();
      const done = await this.#page(birth, moved);
      // RESUMER-4
      if (!done.ok) {
        logger.warn({ code: done.failure.code }, "waiting messages could not be resumed for a new acker");
        return;
      }
      moved += done.value;
      // Rows that later births joined for come last; what one birth alone needs is not delayed.
      if (joined) await pause((clock.now() - pageAt) * REST, this.#stop.signal);
    }
  }

  get #isUnderWay(): boolean {
    return this.#destinations.isUnderWay || this.#rows.isUnderWay;
  }

  #join(): Birth {
    this.#walking.add(this.#waiting.take());
    this.#destinations.join();
    this.#rows.join();
    const filters = this.#walking.list();
    const { parked } = this.#parts;
    return {
      tree: new TopicTree(filters),
      prefixes: prefixesOf(filters),
      releases: (destination) => !parked.isParked(destination),
    };
  }

  /** One page of each walk. @returns rows that were moved */
  async #page(birth: Birth, moved: number): Promise<Outcome<number>> {
    const { outbox, doorbell, troubles } = this.#parts;
    if (this.#destinations.isUnderWay) {
      const released = troubles.report("resume", await outbox.releaseParked(this.#destinations.at, birth));
      if (!released.ok) return released;
      this.#destinations.advance(released.value.next);
      const freed = await this.#free(released.value.destinations.length > 0);
      if (!freed.ok) return freed;
    }
    if (!this.#rows.isUnderWay) return { ok: true, value: 0 };
    const page = troubles.report("resume", await outbox.resume(this.#rows.at, birth, moved));
    if (!page.ok) return page;
    this.#rows.advance(page.value.next);
    doorbell.ringForKnownRows();
    return { ok: true, value: page.value.rows };
  }

  async #free(released: boolean): Promise<Outcome<number>> {
    const { outbox, doorbell, troubles } = this.#parts;
    let rows = 0;
    for (let more = released; more && !this.#stop.signal.aborted && this.#waiting.size === 0; ) {
      const freed = troubles.report("resume", await outbox.freeReleased());
      if (!freed.ok) return freed;
      rows += freed.value.freed;
      more = freed.value.more;
    }
    if (rows > 0) doorbell.ringForKnownRows();
    return { ok: true, value: rows };
  }
}
