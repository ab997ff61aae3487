/** The end of waiting for the database at a stop: first for work, a little later for giving back what is unfinished. */

/** Time to give back what is unfinished. */
const GIVE_BACK_MS = 800;

export class Abandonment {
  readonly #work = new AbortController();
  readonly #lastCall = new AbortController();
  /** Written by `begin` and `end`. */
  #timer: NodeJS.Timeout | undefined;

  /** Aborted: no further attempt begins. */
  get work(): AbortSignal {
    return this.#work.signal;
  }

  /** Aborted: a running attempt is no longer waited for. */
  get lastCall(): AbortSignal {
    return this.#lastCall.signal;
  }

  begin(): void {
    this.#work.abort();
    this.#timer ??= setTimeout(() => this.#lastCall.abort(), GIVE_BACK_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
