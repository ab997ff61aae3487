/**
 * Start and stop of a part, for every part that has them:
 *
 *   NEW ──begin──► RUNNING ──stop──► STOPPING ──closed──► STOPPED
 *    └────────────────stop───────────────▲
 *
 * Invariants:
 *  LIFECYCLE-1. A part begins at most once, and never after its stop was asked for.
 *  LIFECYCLE-2. A stop closes the part once, however often and however early it is asked for; every caller waits for that close.
 *  LIFECYCLE-3. `signal` is aborted before the part is closed, so that its loops and pauses end.
 *  LIFECYCLE-4. Work given to `track` has ended before the part counts as stopped.
 */
export type LifecycleState = "NEW" | "RUNNING" | "STOPPING" | "STOPPED";

export class Lifecycle {
  readonly #stop = new AbortController();
  readonly #work = new Set<Promise<unknown>>();
  #state: LifecycleState = "NEW";
  #stopped: Promise<void> | null = null;

  get state(): LifecycleState {
    return this.#state;
  }

  /** Aborted when the stop is asked for. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** True once, before any stop: the caller starts its work now. */
  begin(): boolean {
    if (this.#state !== "NEW") return false; // LIFECYCLE-1
    this.#state = "RUNNING";
    return true;
  }

  /** Lets the stop wait for `work`, which must not reject. */
  track(work: Promise<unknown>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /** Stops the part: aborts `signal`, runs `close`, waits for tracked work. Later calls wait for the first one. */
  stop(close: () => Promise<unknown> | undefined = () => undefined): Promise<void> {
    if (this.#stopped !== null) return this.#stopped;
    // LIFECYCLE-2: set before the close begins, because a listener of the signal or `close` itself may call `stop`.
    let begin = (_end: Promise<void>): void => undefined;
    this.#stopped = new Promise((resolve) => {
      begin = resolve;
    });
    begin(this.#end(close));
    return this.#stopped;
  }

  async #end(close: () => Promise<unknown> | undefined): Promise<void> {
    this.#state = "STOPPING";
    this.#stop.abort(); // LIFECYCLE-3
    await close();
    await Promise.all(this.#work); // LIFECYCLE-4
    this.#state = "STOPPED";
  }
}
