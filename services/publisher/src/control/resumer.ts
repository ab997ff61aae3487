/**
 * Makes waiting rows due when an acker appears: page by page, all births together.
 *
 * Invariants:
 *  1. At most so many filters wait and are walked with as `WaitingFilters` holds; more become "everything", which resumes no row too late.
 *  2. A stop waits for one page, not for all rows that wait.
 *  RESUMER-3. A birth is served from the next page on, however far the walk of another one has to go, and no filter changes
 *             what a page costs. Births that come without end get a quarter of the time.
 *  RESUMER-4. A page that fails ends the walk with a warning: rows come due by their own schedule, a birth only makes it
 *             sooner. When births keep joining, filters are forgotten after `LONGEST_MS`.
 */
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { Outcome } from "../outbox/outbox.ts";
import { type Birth, FIRST_ID, FIRST_SLOT, type Page, prefixesOf } from "../outbox/resume-matching.ts";
import type { Births } from "./presence-watch.ts";
import { Round } from "./round.ts";
import { WaitingFilters } from "./waiting-filters.ts";

const LONGEST_MS = 60_000;
const REST = 3;

/** The outbox, as far as it is needed here. */
export interface Resumable {
  releaseParked(after: string, birth: Birth): Promise<Outcome<Page & { readonly destinations: readonly string[] }>>;
  /** Lets messages of released destinations go. */
  freeReleased(): Promise<Outcome<{ readonly freed: number; readonly more: boolean }>>;
  resumeWaiting(after: string, birth: Birth, moved: number): Promise<Outcome<Page & { readonly rows: number }>>;
}

export interface ResumerOptions {
  readonly outbox: Resumable;
  /** A destination that a birth is not to resume. */
  readonly parked: { isParked(destination: string): boolean };
  /** Rows are due that nobody announced. */
  readonly resumed: () => void;
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class Resumer implements Births {
  readonly #options: ResumerOptions;
  /** Since the last page. */
  readonly #waiting = new WaitingFilters();
  /** Those of the walk. */
  readonly #walking = new WaitingFilters();
  readonly #destinations = new Round(FIRST_SLOT);
  readonly #rows = new Round(FIRST_ID);
  #running: Promise<void> | null = null;
  readonly #stop = new AbortController();

  constructor(options: ResumerOptions) {
    this.#options = options;
  }

  add(filters: readonly string[]): void {
    if (filters.length === 0) return;
    this.#waiting.add(filters);
    this.#running ??= this.#run()
      .catch((error) => this.#options.logger.error({ err: error }, "waiting messages could not be resumed"))
      .finally(() => {
        this.#running = null;
        this.#walking.take();
        this.#destinations.leave();
        this.#rows.leave();
      });
  }

  /** Lets the page under way end. Twice and early is fine. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, now } = this.#options;
    let startedAt = now();
    let birth: Birth | null = null;
    let joined = false;
    let moved = 0;
    while (!this.#stop.signal.aborted) {
      joined ||= birth !== null && this.#waiting.size > 0;
      if (now() - startedAt > LONGEST_MS) {
        this.#walking.take();
        startedAt = now();
      }
      if (this.#waiting.size > 0) birth = this.#join();
      if (birth === null || !this.#isUnderWay) return;
      const pageAt = now();
      const done = await this.#page(birth, moved);
      if (!done.ok) {
        logger.warn({ code: done.failure.code }, "waiting messages could not be resumed for a new acker");
        return;
      }
      moved += done.value;
      // Rows that others joined for come last; what one birth alone needs is not held up.
      if (joined) await pause((now() - pageAt) * REST, this.#stop.signal);
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
    const { parked } = this.#options;
    return {
      tree: new TopicTree(filters),
      prefixes: prefixesOf(filters),
      releases: (destination) => !parked.isParked(destination),
    };
  }

  /** One page of each walk. @returns rows that were moved */
  async #page(birth: Birth, moved: number): Promise<Outcome<number>> {
    const { outbox, resumed } = this.#options;
    if (this.#destinations.isUnderWay) {
      const released = await outbox.releaseParked(this.#destinations.at, birth);
      if (!released.ok) return released;
      this.#destinations.advance(released.value.next);
      const freed = await this.#free(released.value.destinations.length > 0);
      if (!freed.ok) return freed;
    }
    if (!this.#rows.isUnderWay) return { ok: true, value: 0 };
    const page = await outbox.resumeWaiting(this.#rows.at, birth, moved);
    if (!page.ok) return page;
    this.#rows.advance(page.value.next);
    resumed();
    return { ok: true, value: page.value.rows };
  }

  async #free(released: boolean): Promise<Outcome<number>> {
    let rows = 0;
    for (let more = released; more && !this.#stop.signal.aborted && this.#waiting.size === 0; ) {
      const freed = await this.#options.outbox.freeReleased();
      if (!freed.ok) return freed;
      rows += freed.value.freed;
      more = freed.value.more;
    }
    if (rows > 0) this.#options.resumed();
    return { ok: true, value: rows };
  }
}
