/**
 * Counts calls, failures and slow calls over a sliding period. It decides *whether* the breaker opens; the machine decides
 * *when*, and what follows. Time is the caller's monotonic clock.
 *
 * Invariants:
 *  FAILURE_WINDOW-1. Memory is constant: `BUCKETS` counters, at every rate.
 *  FAILURE_WINDOW-2. A call counts for at least `windowMs` - one bucket and at most `windowMs`, also when the clock stands
 *                    still or jumps far ahead.
 */

const BUCKETS = 20;

export interface WindowPolicy {
  /** Milliseconds over which calls count. */
  readonly windowMs: number;
  /** Fewer calls than this never open the breaker. */
  readonly minCalls: number;
  /** Share of failed calls that opens it. */
  readonly failureRatio: number;
  /** Share of slow calls that opens it. */
  readonly slowRatio: number;
}

export class FailureWindow {
  readonly #policy: WindowPolicy;
  readonly #bucketMs: number;
  readonly #calls = new Counter();
  readonly #failed = new Counter();
  readonly #slow = new Counter();
  /** Number of the newest bucket since the clock's zero. */
  #newest = Number.NEGATIVE_INFINITY;

  constructor(policy: WindowPolicy) {
    this.#policy = policy;
    this.#bucketMs = policy.windowMs / BUCKETS;
  }

  /**
   * Counts one call.
   * @param at monotonic milliseconds
   */
  record(at: number, failed: boolean, slow: boolean): void {
    this.#advance(at);
    this.#calls.add(this.#newest);
    if (failed) this.#failed.add(this.#newest);
    if (slow) this.#slow.add(this.#newest);
  }

  /** True when the calls up to `at` (monotonic milliseconds) should open the breaker. */
  shouldOpen(at: number): boolean {
    this.#advance(at);
    const { minCalls, failureRatio, slowRatio } = this.#policy;
    const calls = this.#calls.sum;
    if (calls < minCalls) return false;
    return this.#failed.sum >= calls * failureRatio || this.#slow.sum >= calls * slowRatio;
  }

  clear(): void {
    this.#calls.clear();
    this.#failed.clear();
    this.#slow.clear();
  }

  #advance(at: number): void {
    const number = Math.floor(at / this.#bucketMs);
    if (number <= this.#newest) return; // FAILURE_WINDOW-2
    for (let n = Math.max(this.#newest + 1, number - BUCKETS + 1); n <= number; n++) {
      this.#calls.forget(n);
      this.#failed.forget(n);
      this.#slow.forget(n);
    }
    this.#newest = number;
  }
}

/** One count per bucket, and their sum. */
class Counter {
  sum = 0;
  readonly #buckets = new Uint32Array(BUCKETS); // FAILURE_WINDOW-1

  add(bucket: number): void {
    const index = indexOf(bucket);
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    this.sum++;
  }

  forget(bucket: number): void {
    const index = indexOf(bucket);
    this.sum -= this.#buckets[index] ?? 0;
    this.#buckets[index] = 0;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.sum = 0;
  }
}

/** Bucket numbers are negative where the clock is negative. */
function indexOf(bucket: number): number {
  return ((bucket % BUCKETS) + BUCKETS) % BUCKETS;
}
