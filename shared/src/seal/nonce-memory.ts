/**
 * Remembers used nonces, so that no text passes twice.
 *
 * Invariants:
 *  NONCE-1. A nonce is remembered for as long as the text that carried it could pass again.
 *  NONCE-2. At most `most` are remembered. When the memory is full the next nonce is refused: none is forgotten early.
 */
export class NonceMemory {
  readonly #keepMs: number;
  readonly #most: number;
  /** Nonce → when it may be forgotten; in the order of that time. */
  readonly #until = new Map<string, number>();

  /** @param keepMs twice the permitted clock difference: a text may arrive that much before its time, and that much after */
  constructor(keepMs: number, most: number) {
    this.#keepMs = keepMs;
    this.#most = most;
  }

  /** @param now monotonic milliseconds */
  admit(nonce: string, now: number): "new" | "used" | "full" {
    for (const [old, until] of this.#until) {
      if (until > now) break; // NONCE-1
      this.#until.delete(old);
    }
    if (this.#until.has(nonce)) return "used";
    if (this.#until.size >= this.#most) return "full"; // NONCE-2
    this.#until.set(nonce, now + this.#keepMs);
    return "new";
  }
}
