/**
 * The started parts, in order, so that they stop in reverse order.
 *
 * Invariants:
 *  STACK-1. Parts stop one after the other, the last started first; one that does not stop in time is reported and left running.
 *  STACK-2. Two calls of `stop` are one stop. A part added during the stop is stopped as well.
 */
import type { Narrator } from "./progress.ts";

export interface Part {
  readonly name: string;
  /** Longest time (ms) that the next part waits for this one. */
  readonly limitMs: number;
  stop(): Promise<void> | void;
}

export class Stack {
  readonly #parts: Part[] = [];
  readonly #narrator: Narrator;
  #stopping: Promise<boolean> | null = null;

  constructor(narrator: Narrator) {
    this.#narrator = narrator;
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  /** Resolves with true when every part stopped in its time. */
  stop(): Promise<boolean> {
    // STACK-2
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<boolean> {
    let clean = true;
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      // STACK-1
      const fault = await stopInTime(part);
      if (fault !== null) this.#narrator.say(`${part.name} ${fault}`);
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
