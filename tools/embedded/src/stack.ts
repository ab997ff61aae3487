/**
 * What was started, in order, so that it is stopped in the other order.
 *
 * Invariants:
 *  1. Parts stop last-started first, one after the other; one that does not stop in its time is left behind, and said.
 *  2. Stopping twice is one stop. What is added while it stops is stopped too.
 */
export interface Part {
  readonly name: string;
  /** Longest time (ms) that the next part waits for this one. */
  readonly limitMs: number;
  stop(): Promise<void> | void;
}

export class Stack {
  readonly #parts: Part[] = [];
  readonly #say: (line: string) => void;
  #stopping: Promise<boolean> | null = null;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  /** Resolves with true when every part stopped in its time. */
  stop(): Promise<boolean> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    let clean = true;
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      const fault = await stopInTime(part);
      if (fault !== null) this.#say(`${part.name} ${fault}`);
      clean &&= fault === null;
    }
    return clean;
  }
}

/** Null when the part stopped, or why it did not. */
async function stopInTime(part: Part): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`did not stop within ${part.limitMs / 1_000} s`), part.limitMs);
  });
  const stopped = Promise.resolve(part.stop()).then(
    () => null,
    (error: Error) => `failed to stop: ${error.message}`,
  );
  const fault = await Promise.race([stopped, late]);
  clearTimeout(timer);
  return fault;
}
