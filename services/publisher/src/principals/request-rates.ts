/**
 * Requests a second of each principal that has such a quota, counted by this publisher alone.
 *
 * Invariants:
 *  RATE-1. Within any second a principal starts at most twice its quota, in the long run its quota: a bucket that holds one
 *          second's requests. Buckets exist for principals of the book only, so their number is bounded by it.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Principal } from "./principal.ts";

interface Bucket {
  left: number;
  filledAt: number;
}

export class RequestRates {
  /** By the principal's name: it outlives the object, which is made again with each reading of the book. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #clock: Pick<Clock, "now">;
  readonly #most: number;

  /** @param most buckets kept; the one that was made first leaves */
  constructor(clock: Pick<Clock, "now">, most: number) {
    this.#clock = clock;
    this.#most = most;
  }

  /** Counts a request. @returns false where it is above the quota */
  admit({ name, requestsPerSecond }: Principal): boolean {
    if (requestsPerSecond === null) return true;
    const now = this.#clock.now();
    const bucket = this.#buckets.get(name) ?? this.#add(name, { left: requestsPerSecond, filledAt: now });
    const gained = ((now - bucket.filledAt) * requestsPerSecond) / 1_000;
    bucket.left = Math.min(requestsPerSecond, bucket.left + gained);
    bucket.filledAt = now;
    if (bucket.left < 1) return false; // RATE-1
    bucket.left--;
    return true;
  }

  #add(name: string, bucket: Bucket): Bucket {
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size >= this.#most && oldest !== undefined) this.#buckets.delete(oldest);
    this.#buckets.set(name, bucket);
    return bucket;
  }
}
