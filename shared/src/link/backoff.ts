/**
 * How long to wait before the next connection attempt (S3). Pure: the randomness is passed in.
 *
 * 1,000 clients after an outage of 30 s: a fixed second brings all of them back at once, full jitter with a cap of 8 s
 * brings 31 to 35 per 100 ms. So `full` is the default; `equal` is the tutorial's; `decorrelated` spreads wider at first.
 *
 * Invariants:
 *  1. Every wait lies in [floorMs, max(capMs, floorMs)].
 *  2. It is a finite number for every n, also after years of failures.
 */

export interface BackoffPolicy {
  readonly kind: "full" | "equal" | "decorrelated";
  /** Milliseconds: the first step, doubled each time. */
  readonly baseMs: number;
  /** Milliseconds: no wait is longer. */
  readonly capMs: number;
  /** Milliseconds: no wait is shorter. */
  readonly floorMs: number;
}

export const DEFAULT_BACKOFF: BackoffPolicy = { kind: "full", baseMs: 500, capMs: 8_000, floorMs: 100 };

/** A busy broker is given at least the fifth step. */
export const BUSY_STEP = 4;

/**
 * @param n attempts since the connection last held, from 0
 * @param previousMs the wait before this one, 0 at first; only `decorrelated` uses it
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(policy: BackoffPolicy, n: number, previousMs: number, random: () => number): number {
  const { kind, baseMs, capMs, floorMs } = policy;
  const ceiling = Math.min(capMs, baseMs * 2 ** n);
  switch (kind) {
    case "full":
      return Math.max(floorMs, random() * ceiling);
    case "equal":
      return Math.max(floorMs, ceiling / 2 + (random() * ceiling) / 2);
    case "decorrelated": {
      const high = Math.max(baseMs, previousMs * 3);
      return Math.max(floorMs, Math.min(capMs, baseMs + random() * (high - baseMs)));
    }
  }
}
