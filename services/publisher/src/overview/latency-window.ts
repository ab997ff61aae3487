/**
 * Percentiles of the last minutes' latencies, in fixed memory: latencies are counted in buckets that grow by a tenth, per slot
 * of ten seconds. A percentile is right within 5 %, and a row costs one logarithm.
 */
import type { Clock } from "@acktor/shared/runtime/clock";

const SLOT_MS = 10_000;
const SLOTS = 30;
const GROWTH = Math.log(1.1);
/** The last bucket begins at 1.1^239 ms, some 90 days. */
const BUCKETS = 240;

interface Slot {
  /** Number of the ten seconds since the clock's zero. */
  number: number;
  total: number;
  readonly counts: Uint32Array;
}

export interface Latencies {
  readonly window_seconds: number;
  readonly samples: number;
  /** Null without a sample. */
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
}

export class LatencyWindow {
  readonly #clock: Pick<Clock, "now">;
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({
    number: -1,
    total: 0,
    counts: new Uint32Array(BUCKETS),
  }));

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Ignores values that are not finite. */
  add(latencyMs: number): void {
    if (!Number.isFinite(latencyMs)) return;
    const slot = this.#slot(Math.floor(this.#clock.now() / SLOT_MS));
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log(Math.max(1, latencyMs)) / GROWTH));
    slot.counts[bucket] = (slot.counts[bucket] ?? 0) + 1;
    slot.total++;
  }

  read(): Latencies {
    const oldest = Math.floor(this.#clock.now() / SLOT_MS) - SLOTS + 1;
    const recent = this.#slots.filter((slot) => slot.number >= oldest);
    const samples = recent.reduce((sum, slot) => sum + slot.total, 0);
    const percentile = (share: number): number | null => {
      let left = samples * share;
      for (let bucket = 0; samples > 0 && bucket < BUCKETS; bucket++) {
        left -= recent.reduce((sum, slot) => sum + (slot.counts[bucket] ?? 0), 0);
        if (left <= 0) return Math.exp((bucket + 0.5) * GROWTH);
      }
      return null;
    };
    return {
      window_seconds: (SLOTS * SLOT_MS) / 1_000,
      samples,
      p50_ms: percentile(0.5),
      p95_ms: percentile(0.95),
    };
  }

  #slot(number: number): Slot {
    const slot = this.#slots[number % SLOTS];
    if (slot === undefined) throw new Error(`no slot for ${number}`);
    if (slot.number !== number) {
      slot.number = number;
      slot.total = 0;
      slot.counts.fill(0);
    }
    return slot;
  }
}
