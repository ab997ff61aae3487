/**
 * The low-water mark: the claim does not read rows due before it. A reader that stays open keeps the index entries of finished
 * rows alive, and without a mark each claim reads all of them.
 *
 * The mark must never pass a row that is not committed yet. A row becomes due when it is written, or later, and its
 * writer's transaction id is drawn before that time is read (publisher.enqueue does so). So: remember the next id to be
 * drawn (`xmax`) together with the time. Once all ids below one such `xmax` have ended (`xmin` has reached it), the id of
 * every row that is not visible yet was drawn after that time, and the row is due after it.
 *
 * Invariants:
 *  LOW_WATER-1. The mark is at most the time of a sample whose `xmax` has been reached, less MARGIN_MS (a statement's own clock is
 *     read when it begins, its id is drawn a little later).
 *  LOW_WATER-2. Every FULL_SCAN_MS the mark is null once, for rows whose claim was rolled back.
 */
import type { Claimed } from "./outbox.ts";

const MARGIN_MS = 10_000;
const FULL_SCAN_MS = 30_000;
const SAMPLE_EVERY_MS = 1_000;
const SAMPLES = 64;

interface Sample {
  readonly atMs: number;
  readonly xmax: bigint;
}

export class LowWater {
  readonly #now: () => number;
  #samples: Sample[] = [];
  #markMs: number | null = null;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #fullScanAt = Number.NEGATIVE_INFINITY;
  #scanning: number | null = null;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** For the next claim: ISO time, or null for a full scan. */
  get mark(): string | null {
    const now = this.#now();
    // LOW_WATER-2
    if (this.#markMs === null || now - this.#fullScanAt >= FULL_SCAN_MS) {
      this.#scanning = now;
      return null;
    }
    return new Date(this.#markMs).toISOString();
  }

  /** Learns from a claim that was made with `mark`. @param exhausted it found fewer rows than its limit */
  claimed({ horizon, oldestDue }: Pick<Claimed, "horizon" | "oldestDue">, exhausted: boolean): void {
    const now = this.#now();
    if (this.#scanning !== null && exhausted) this.#fullScanAt = this.#scanning;
    if (exhausted) this.#scanning = null;
    const xmin = BigInt(horizon.xmin);
    const reached = this.#samples.findLast((sample) => sample.xmax <= xmin);
    const seenTo = exhausted
      ? Number.POSITIVE_INFINITY
      : oldestDue === null
        ? Number.NEGATIVE_INFINITY
        : Date.parse(oldestDue);
    if (reached !== undefined && this.#fullScanAt !== Number.NEGATIVE_INFINITY) {
      // LOW_WATER-1
      const mark = Math.min(reached.atMs - MARGIN_MS, seenTo - 1);
      if (mark > (this.#markMs ?? Number.NEGATIVE_INFINITY)) this.#markMs = mark;
      this.#samples = this.#samples.filter((sample) => sample.xmax >= reached.xmax);
    }
    if (now - this.#sampledAt < SAMPLE_EVERY_MS) return;
    this.#sampledAt = now;
    this.#samples.push({ atMs: Date.parse(horizon.at), xmax: BigInt(horizon.xmax) });
    if (this.#samples.length > SAMPLES) this.#samples.splice(1, 1);
  }
}
