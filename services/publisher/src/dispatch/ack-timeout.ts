/**
 * How long to wait for an ack: Jacobson/Karels as in RFC 6298, with Karn's rule (the caller gives no samples from
 * messages that were published more than once, because their ack may answer either PUBLISH).
 */
export interface AckTimeout {
  /** Smoothed round trip and its variation, milliseconds; null before the first sample. */
  readonly srttMs: number | null;
  readonly rttvarMs: number;
}

export interface AckTimeoutBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** What the link knows of our own line. */
export interface OwnLine {
  pace(): { readonly roundTripMs: number; readonly expectedMs: number };
}

/**
 * The settings as bounds; on a slow line the least is longer: an ack takes our round trip and the receiver's. The line's
 * numbers have a ceiling of 30 s each, so both bounds stay below 90 s where the settings do.
 */
export class LineBounds implements AckTimeoutBounds {
  readonly #set: AckTimeoutBounds;
  readonly #line: OwnLine;

  constructor(set: AckTimeoutBounds, line: OwnLine) {
    this.#set = set;
    this.#line = line;
  }

  get minMs(): number {
    const { roundTripMs, expectedMs } = this.#line.pace();
    return Math.max(this.#set.minMs, 2 * expectedMs + roundTripMs);
  }

  get maxMs(): number {
    return Math.max(this.#set.maxMs, this.minMs);
  }
}

export const NO_SAMPLES: AckTimeout = { srttMs: null, rttvarMs: 0 };

const ALPHA = 1 / 8;
const BETA = 1 / 4;

/** The estimate after one more round trip of `sampleMs`. */
export function withSample(estimate: AckTimeout, sampleMs: number): AckTimeout {
  if (estimate.srttMs === null) return { srttMs: sampleMs, rttvarMs: sampleMs / 2 };
  return {
    srttMs: (1 - ALPHA) * estimate.srttMs + ALPHA * sampleMs,
    rttvarMs: (1 - BETA) * estimate.rttvarMs + BETA * Math.abs(estimate.srttMs - sampleMs),
  };
}

/** A = clamp(SRTT + 4 RTTVAR, min, max), milliseconds. */
export function ackTimeoutMs(estimate: AckTimeout, bounds: AckTimeoutBounds): number {
  if (estimate.srttMs === null) return bounds.minMs;
  return Math.min(bounds.maxMs, Math.max(bounds.minMs, estimate.srttMs + 4 * estimate.rttvarMs));
}
