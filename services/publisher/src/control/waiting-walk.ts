/**
 * Resumes what waits for filters with wildcards inside, and for `#`: page by page through the waiting rows, all births together.
 *
 * Invariants:
 *  WALK-1. At most as many filters wait as `WaitingFilters` holds; more become "everything", which resumes no row too late.
 *  WALK-2. A stop waits for one page, not for all rows that wait.
 *  WALK-3. A birth is served from the next page on, however far the walk of another one has to go, and no filter changes
 *          what a page costs. Births that come without end get a quarter of the time.
 *  WALK-4. A page that fails ends the walk with a warning: rows come due by their own schedule, a birth only makes them due
 *          earlier. When births keep joining, filters are forgotten after `LONGEST_MS`.
 */
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import { pause } from "@acktor/shared/runtime/pause";
import type { Outcome } from "../outbox/outbox.ts";
import { type Birth, FIRST_ID, prefixesOf } from "../outbox/walk-waiting.ts";
import type { Births } from "./presence-watch.ts";
import type { ResumerParts } from "./resumer.ts";
import { Round } from "./round.ts";
import { WaitingFilters } from "./waiting-filters.ts";

const LONGEST_MS = 60_000;
const REST = 3;

export class WaitingWalk implements Births {
  readonly #parts: ResumerParts;
  /** Since the last page. */
  readonly #waiting = new WaitingFilters();
  /** Those of the walk. */
  readonly #walking = new WaitingFilters();
  readonly #rows = new Round(FIRST_ID);
  #running: Promise<void> | null = null;
  readonly #stop = new AbortController();

  constructor(parts: ResumerParts) {
    this.#parts = parts;
  }

  add(filters: readonly string[]): void {
    if (filters.length === 0) return;
    // WALK-1
    this.#waiting.add(filters);
    this.#running ??= this.#run()
      .catch((error) => this.#parts.logger.error({ err: error }, "waiting messages could not be resumed"))
      .finally(() => {
        this.#running = null;
        this.#walking.take();
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
    // WALK-2
    while (!this.#stop.signal.aborted) {
      joined ||= birth !== null && this.#waiting.size > 0;
      if (clock.now() - startedAt > LONGEST_MS) {
        this.#walking.take();
        startedAt = clock.now();
      }
      // WALK-3
      if (this.#waiting.size > 0) birth = this.#join();
      if (birth === null || !this.#rows.isUnderWay) return;
      const pageAt = clock.now();
      const done = await this.#page(birth, moved);
      // WALK-4
      if (!done.ok) {
        logger.warn({ code: done.failure.code }, "waiting messages could not be resumed for a new acker");
        return;
      }
      moved += done.value;
      // Rows that later births joined for come last; what one birth alone needs is not delayed.
      if (joined) await pause((clock.now() - pageAt) * REST, this.#stop.signal);
    }
  }

  #join(): Birth {
    this.#walking.add(this.#waiting.take());
    this.#rows.join();
    const filters = this.#walking.list();
    return { tree: new TopicTree(filters), prefixes: prefixesOf(filters) };
  }

  /** @returns rows that were moved */
  async #page(birth: Birth, moved: number): Promise<Outcome<number>> {
    const { outbox, memory, doorbell, troubles } = this.#parts;
    const page = troubles.report("resume", await outbox.walk(this.#rows.at, birth, memory, moved));
    if (!page.ok) return page;
    this.#rows.advance(page.value.next);
    if (page.value.rows > 0) doorbell.ringForKnownRows();
    return { ok: true, value: page.value.rows };
  }
}
