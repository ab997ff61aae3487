/**
 * What the birth of an acker does to messages in memory: silent destinations that its filters reach are resumed, and messages
 * in flight that they select come due at their ack timeout. The `Resumer` receives the filters next, for the outbox.
 *
 * Invariants:
 *  GREETER-1. Births that come faster than they are worked on share one pass, with a bound (`WaitingFilters`).
 *  GREETER-2. A pass is done in steps of the dispatcher, paced: 10,000 destinations hold up no message.
 */
import { TopicTree } from "@acktor/shared/protocol/topic-tree";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { LogThrottle } from "@acktor/shared/runtime/log-throttle";
import { type Logger, printable } from "@acktor/shared/runtime/logger";
import { PacedWork, type Stepped } from "./paced-work.ts";
import type { Births } from "./presence-watch.ts";
import { WaitingFilters } from "./waiting-filters.ts";

/** Any client that may publish presence could fill the log otherwise. */
const LOG_EVERY_MS = 1_000;
const LOGGED_FILTERS = 20;

export interface GreeterParts {
  readonly dispatcher: Greeted;
  /** Destinations are the first levels of topics, so that a filter may reach below them. */
  readonly levels: number;
  readonly next: Births;
  readonly logger: Logger;
  readonly guard: ListenerGuard;
  readonly clock: Clock;
}

/** The part of the dispatcher that is needed here. Each yield is the end of a step. */
export interface Greeted {
  unparkInSteps(matches: (destination: string) => boolean): Generator<undefined, readonly string[]>;
  retryAtAckTimeoutInSteps(matches: (topic: string) => boolean): Generator<undefined, void>;
}

export class Greeter implements Births, Stepped {
  readonly #parts: GreeterParts;
  readonly #throttle: LogThrottle;
  readonly #waiting = new WaitingFilters();
  readonly #paced: PacedWork;
  #pass: Generator<undefined, void> | null = null;

  constructor(parts: GreeterParts) {
    this.#parts = parts;
    const { guard, clock } = parts;
    this.#throttle = new LogThrottle(clock, LOG_EVERY_MS);
    this.#paced = new PacedWork({ name: "birth", work: this, guard, clock });
  }

  add(filters: readonly string[]): void {
    // GREETER-1
    this.#waiting.add(filters);
    this.#paced.wake();
  }

  step(): boolean {
    if (this.#pass === null) {
      if (this.#waiting.size === 0) return false;
      this.#pass = this.#greet(this.#waiting.take());
    }
    // GREETER-2
    const pass = this.#pass;
    this.#pass = null;
    if (pass.next().done !== true) this.#pass = pass;
    return this.#pass !== null || this.#waiting.size > 0;
  }

  /** May be called early; a second call has no effect. */
  stop(): void {
    this.#paced.stop();
  }

  *#greet(filters: readonly string[]): Generator<undefined, void> {
    const { dispatcher, levels, next } = this.#parts;
    const tree = new TopicTree(filters);
    yield;
    const resumed = yield* dispatcher.unparkInSteps((name) => (levels === 0 ? tree.matches(name) : tree.reaches(name)));
    yield* dispatcher.retryAtAckTimeoutInSteps((topic) => tree.matches(topic));
    this.#log(filters, resumed);
    next.add(filters);
  }

  #log(filters: readonly string[], resumed: readonly string[]): void {
    const unsaid = this.#throttle.admit("birth");
    if (unsaid === null) return;
    const some = filters.slice(0, LOGGED_FILTERS).map((filter) => printable(filter));
    this.#parts.logger.info(
      { filters: some, resumed_destinations: resumed.length, unsaid },
      "an acker announced itself; waiting messages are resumed",
    );
  }
}
