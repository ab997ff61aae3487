/** The numbers of a link and their defaults. `createLink` can set all of them. */
import { type BackoffPolicy, DEFAULT_BACKOFF } from "./backoff.ts";
import type { WindowPolicy } from "./failure-window.ts";

export type VersionPolicy = "auto" | "5" | "3.1.1";

export interface BreakerPolicy extends WindowPolicy {
  /** Milliseconds from which a call is slow; longer on a line whose deadline is longer. */
  readonly slowMs: number;
  /** Failed connects in a row that open the breaker. */
  readonly connectFailures: number;
  /** Milliseconds: an opening lasts U(0.5, 1) × min(openCapMs, openBaseMs × 2^m), m = openings since it was closed. */
  readonly openBaseMs: number;
  readonly openCapMs: number;
  /** Milliseconds: the cap where connects opened it. The backoff runs at the same time; more would break recovery in 10 s. */
  readonly connectOpenCapMs: number;
  /** Publishes that HALF_OPEN admits, and that must succeed. */
  readonly probes: number;
}

/** The numbers by which the machine decides. */
export interface LinkPolicy {
  readonly version: VersionPolicy;
  readonly backoff: BackoffPolicy;
  readonly breaker: BreakerPolicy;
  /** Milliseconds from opening the socket to the last SUBACK: the last resort, behind the transport's own deadlines. */
  readonly connectTimeoutMs: number;
  /** Milliseconds after which a connection counts as held: the backoff starts from 0 again. */
  readonly heldMs: number;
  /** Milliseconds, from and to: the pause in ERROR between two single probes. */
  readonly errorWaitMs: readonly [from: number, to: number];
}

export const DEFAULT_BREAKER: BreakerPolicy = {
  windowMs: 10_000,
  minCalls: 20,
  failureRatio: 0.5,
  slowRatio: 0.8,
  slowMs: 2_000,
  connectFailures: 5,
  openBaseMs: 5_000,
  openCapMs: 60_000,
  connectOpenCapMs: 5_000,
  probes: 3,
};

export const DEFAULT_POLICY: LinkPolicy = {
  version: "auto",
  backoff: DEFAULT_BACKOFF,
  breaker: DEFAULT_BREAKER,
  connectTimeoutMs: 5_000,
  heldMs: 20_000,
  errorWaitMs: [30_000, 60_000],
};
