/**
 * What a birth does to what is in memory: silent destinations that its filters reach are resumed, and messages in flight
 * that they select come due with their ack timeout. The outbox is the `Resumer`'s, who hears of the filters next.
 *
 * Invariants:
 *  GREET-1. Births that come faster than they are worked on share one pass, with a bound (`WaitingFilters`).
 *  GREET-2. A pass is done in steps of the dispatcher, paced: 10,000 destinations hold up no message.
 */
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { PacedWork, type Stepped } from "./paced-work.ts";
import type { Births } from "./presence-watch.ts";
import { WaitingFilters } from "./waiting-filters.ts";

export interface GreeterOptions {
  readonly dispatcher: Greeted;
  /** Destinations are the first levels of topics, so that a filter may reach below them. */
  readonly levels: number;
  readonly next: Births;
  readonly report: GreetingReport;
  readonly guard: ListenerGuard;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** The part of the dispatcher that is needed here. Each yield is the end of a step. */
export interface Greeted {
  unparkInSteps(matches: (destination: string) => boolean): Generator<undefined, readonly string[]>;
  hurryInSteps(matches: (topic: string) => boolean): Generator<undefined, void>;
}

export interface GreetingReport {
  greeted(filters: readonly string[], resumed: readonly string[]): void;
}

export class Greeter implements Births, Stepped {
  readonly #options: GreeterOptions;
  readonly #waiting = new WaitingFilters();
  readonly #paced: PacedWork;
  #pass: Generator<undefined, void> | null = null;

  constructor(options: GreeterOptions) {
    this.#options = options;
    const { guard, now } = options;
    this.#paced = new PacedWork({ name: "birth", work: this, guard, now });
  }

  add(filters: readonly string[]): void {
    this.#waiting.add(filters);
    this.#paced.wake();
  }

  step(): boolean {
    if (this.#pass === null) {
      if (this.#waiting.size === 0) return false;
      this.#pass = this.#greet(this.#waiting.take());
    }
    const pass = this.#pass;
    this.#pass = null;
    if (pass.next().done !== true) this.#pass = pass;
    return this.#pass !== null || this.#waiting.size > 0;
  }

  /** Twice and early is fine. */
  stop(): void {
    this.#paced.stop();
  }

  *#greet(filters: readonly string[]): Generator<undefined, void> {
    const { dispatcher, levels, next, report } = this.#options;
    const tree = new TopicTree(filters);
    yield;
    const resumed = yield* dispatcher.unparkInSteps((name) => (levels === 0 ? tree.matches(name) : tree.reaches(name)));
    yield* dispatcher.hurryInSteps((topic) => tree.matches(topic));
    report.greeted(filters, resumed);
    next.add(filters);
  }
}
