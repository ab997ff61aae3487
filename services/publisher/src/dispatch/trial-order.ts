/**
 * The order in which destinations that are not proven are tried: the newest and the oldest by turns. A device that was switched
 * on now is not behind thousands of absent ones, and each has its turn.
 */
import type { Destination } from "./destination.ts";

/** Entries of the order beyond those that wait, before it is written again. */
const SLACK = 1_024;

export class TrialOrder {
  readonly #waits = new Set<Destination>();
  /** Oldest first. It may name a destination twice, or one that waits no more: `#waits` decides. */
  #order: Destination[] = [];
  /** Where the oldest is. */
  #head = 0;
  #newestNext = true;

  /** Puts a destination behind the others, as the newest. */
  add(destination: Destination): void {
    if (this.#waits.has(destination) && this.#order.at(-1) === destination) return;
    this.#waits.add(destination);
    this.#order.push(destination);
    if (this.#order.length > 2 * this.#waits.size + SLACK) this.#rewrite();
  }

  delete(destination: Destination): void {
    this.#waits.delete(destination);
  }

  clear(): void {
    this.#waits.clear();
    this.#rewrite();
  }

  /** Takes the next one that may send. */
  take(): Destination | undefined {
    while (this.#waits.size > 0) {
      const next = this.#next();
      if (next === undefined) this.clear();
      else if (this.#waits.delete(next) && next.ready) {
        this.#newestNext = !this.#newestNext;
        return next;
      }
    }
    return undefined;
  }

  /** Those that wait, oldest first. */
  list(): readonly Destination[] {
    this.#rewrite();
    return [...this.#order];
  }

  #next(): Destination | undefined {
    if (this.#order.length <= this.#head) return undefined;
    return this.#newestNext ? this.#order.pop() : this.#order[this.#head++];
  }

  #rewrite(): void {
    // Of a destination that is named twice the newer place counts.
    const seen = new Set(this.#order.slice(this.#head).reverse());
    this.#order = [...seen].filter((destination) => this.#waits.has(destination)).reverse();
    this.#head = 0;
  }
}
