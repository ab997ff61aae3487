/**
 * Nonces that were used, so that none is used twice.
 *
 * Invariants:
 *  NONCE-1. A nonce is remembered for as long as the text that carried it could pass again.
 *  NONCE-2. At most `most` are remembered. When it is full the next one is refused: none is forgotten before its time.
 */
export class NonceMemory {
  readonly #keepMs: number;
  readonly #most: number;
  /** Nonce → when it may be forgotten; in the order of that time. */
  readonly #until = new Map<string, number>();

  /** @param keepMs twice the window: a text may come as early as a window before its time, and as late as one after */
  constructor(keepMs: number, most: number) {
    this.#keepMs = keepMs;
    this.#most = most;
  }

  /** @param now monotonic milliseconds */
  admit(nonce: string, now: number): "new" | "used" | "full" {
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    if (this.#until.has(nonce)) return "used";
    if (this.#until.size >= this.#most) return "full";
    this.#until.set(nonce, now + this.#keepMs);
    return "new";
  }
}
