/**
 * Makes waiting rows due when an acker appears, in chunks, one resume at a time.
 *
 * Invariants:
 *  1. At most `MAX_FILTERS` filters wait; more are merged into "everything", which is late for nobody.
 *  2. A stop waits for one chunk, not for all rows that wait.
 */
import type { DbResult } from "@acktor/shared/db/pool";
import { filterToRegex } from "@acktor/shared/protocol/topics";
import type { Logger } from "@acktor/shared/runtime/logger";

const MAX_FILTERS = 1_000;

export interface ResumerOptions {
  /** Resumes every waiting row whose topic one of the expressions selects, smeared; ends between chunks by the signal. */
  readonly resume: (
    regexes: readonly string[],
    signal: AbortSignal,
  ) => Promise<DbResult<unknown> | { readonly ok: true; readonly value: unknown }>;
  readonly resumed: () => void;
  readonly logger: Logger;
}

export class Resumer {
  readonly #options: ResumerOptions;
  readonly #waiting = new Set<string>();
  #running: Promise<void> | null = null;
  readonly #stop = new AbortController();

  constructor(options: ResumerOptions) {
    this.#options = options;
  }

  add(filters: readonly string[]): void {
    for (const filter of filters) this.#waiting.add(filter);
    if (this.#waiting.size > MAX_FILTERS) {
      this.#waiting.clear();
      this.#waiting.add("#");
    }
    this.#running ??= this.#run()
      .catch((error) => this.#options.logger.error({ err: error }, "waiting messages could not be resumed"))
      .finally(() => {
        this.#running = null;
      });
  }

  /** Lets the chunk under way end. Twice and early is fine. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      const regexes = [...this.#waiting].map(filterToRegex);
      this.#waiting.clear();
      const result = await this.#options.resume(regexes, this.#stop.signal);
      if (!result.ok) {
        // The rows come due by their own schedule; a birth only makes it sooner.
        this.#options.logger.warn(
          { code: result.failure.code },
          "waiting messages could not be resumed for a new acker",
        );
        return;
      }
      this.#options.resumed();
    }
  }
}
