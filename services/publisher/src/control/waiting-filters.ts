/**
 * Filters of births that wait to be worked on together.
 *
 * Invariants:
 *  WAITING-1. At most `MAX_FILTERS` of `MAX_BYTES` wait; more become one for everything, which resumes no row too
 *     late: a client that may announce a hundred filters may announce `#`.
 */
const MAX_FILTERS = 2_048;
const MAX_BYTES = 131_072;

export class WaitingFilters {
  readonly #filters = new Set<string>();
  #bytes = 0;

  get size(): number {
    return this.#filters.size;
  }

  add(filters: readonly string[]): void {
    if (this.#filters.has("#")) return;
    for (const filter of filters) {
      if (this.#filters.has(filter)) continue;
      this.#filters.add(filter);
      this.#bytes += filter.length;
    }
    // WAITING-1
    if (this.#filters.has("#") || this.#filters.size > MAX_FILTERS || this.#bytes > MAX_BYTES) {
      this.#filters.clear();
      this.#filters.add("#");
    }
  }

  list(): readonly string[] {
    return [...this.#filters];
  }

  /** Empties it. @returns what was in it */
  take(): readonly string[] {
    const filters = this.list();
    this.#filters.clear();
    this.#bytes = 0;
    return filters;
  }
}
