/**
 * Rows that cannot even be marked failed: they are remembered here and passed over. At most MOST rows are remembered, each for
 * AGAIN_MS; then the row is tried again, so that a repaired row is delivered without a restart.
 */
const MOST = 10_000;
const AGAIN_MS = 60_000;

export class PassedOver {
  readonly #now: () => number;
  /** Id → time of the next try. */
  readonly #until = new Map<string, number>();

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#until.size;
  }

  add(messageId: string): void {
    this.#until.delete(messageId);
    this.#until.set(messageId, this.#now() + AGAIN_MS);
    const oldest = this.#until.size > MOST ? this.#until.keys().next().value : undefined;
    if (oldest !== undefined) this.#until.delete(oldest);
  }

  /** Rows that are not to be tried now; the others are forgotten. */
  ids(): string[] {
    const now = this.#now();
    for (const [id, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(id);
    }
    return [...this.#until.keys()];
  }
}
