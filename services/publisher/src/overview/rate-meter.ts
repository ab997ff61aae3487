/** Rates of counters that only rise, over the last seconds. */

/** What is counted; values rise, by this process. */
export type Counts = Readonly<Record<"accepted" | "published" | "acknowledged", number>>;

interface Sample {
  readonly at: number;
  readonly counts: Counts;
}

/** Keeps a sample a second, at most as many as the window holds. */
export class RateMeter {
  readonly #windowMs: number;
  readonly #samples: Sample[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** @param at monotonic milliseconds */
  sample(at: number, counts: Counts): void {
    this.#samples.push({ at, counts });
    // One sample as old as the window stays: the rate is taken over all of it.
    while ((this.#samples[1]?.at ?? Number.POSITIVE_INFINITY) <= at - this.#windowMs) this.#samples.shift();
  }

  /** Per second; zeros before the second sample. */
  rates(): Counts {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    const seconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1_000;
    const rate = (name: keyof Counts): number =>
      seconds === 0 ? 0 : ((last?.counts[name] ?? 0) - (first?.counts[name] ?? 0)) / seconds;
    return { accepted: rate("accepted"), published: rate("published"), acknowledged: rate("acknowledged") };
  }
}
