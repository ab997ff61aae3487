/**
 * The places of messages that arrived and are not finished yet.
 *
 * Invariants:
 *  PLACES-1. At most `limit` messages and `byteLimit` bytes are held, from arrival to `release`.
 *  PLACES-2. An arrival takes its place before it is passed to the next step, so a place is never released before it is taken.
 */
export interface Held {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
}

export interface PlaceLimits {
  readonly limit: number;
  readonly byteLimit: number;
}

export class Places {
  readonly #limits: PlaceLimits;
  readonly #held = new Set<Held>();
  #bytes = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** True when a message of so many bytes fits. PLACES-1 */
  hasRoom(bytes: number): boolean {
    const { limit, byteLimit } = this.#limits;
    return this.#held.size < limit && this.#bytes + bytes <= byteLimit;
  }

  hold(held: Held): void {
    this.#held.add(held);
    this.#bytes += held.payload.byteLength;
  }

  /** Frees the place of a message. A second call has no effect. */
  release(held: Held): void {
    if (this.#held.delete(held)) this.#bytes -= held.payload.byteLength;
  }

  size(): number {
    return this.#held.size;
  }

  bytes(): number {
    return this.#bytes;
  }
}
