/**
 * What was started is stopped, last first, after a failure too.
 *
 * Invariants:
 *  1. `close` runs every release, also when one of them fails; the first failure is thrown at the end.
 *  2. Closing twice runs nothing twice.
 */
export class Scope {
  readonly #releases: (() => unknown)[] = [];

  defer(release: () => unknown): void {
    this.#releases.push(release);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Runs `work` with a scope of its own that is closed afterwards. */
export async function scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}
