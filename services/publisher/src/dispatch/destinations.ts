/**
 * The destinations in memory: which has the next turn, and which to forget.
 *
 * Invariants:
 *  DESTINATIONS-1. Those that may send are served in turn, one message each; the one that is held stays first.
 *  DESTINATIONS-2. At most `MAX_DESTINATIONS` are remembered. Only idle ones are forgotten, oldest first and proven ones last:
 *     the outbox remembers those that are parked, and the claim sets their rows aside.
 *  DESTINATIONS-3. Of `TURNS` turns one is for destinations that are not proven, while there is room for them; they get
 *     further turns only when no proven one may send.
 */
import { destinationOf } from "@acktor/shared/protocol/topics";
import type { LeasedMessage } from "../outbox/outbox.ts";
import { Destination } from "./destination.ts";
import { TrialOrder } from "./trial-order.ts";

const MAX_DESTINATIONS = 10_000;
const TURNS = 8;

export class Destinations {
  /** Leading levels of a topic that make a destination; 0 = all. */
  readonly #levels: number;
  readonly #byName = new Map<string, Destination>();
  /** Proven ones. */
  readonly #ready = new Set<Destination>();
  /** The others. */
  readonly #trials = new TrialOrder();
  #turn = 0;
  #held: Destination | null = null;

  constructor(levels: number) {
    this.#levels = levels;
  }

  get size(): number {
    return this.#byName.size;
  }

  values(): IterableIterator<Destination> {
    return this.#byName.values();
  }

  /** The destination of a topic where it is remembered. */
  known(topic: string): Destination | undefined {
    return this.#byName.get(destinationOf(topic, this.#levels));
  }

  /** The destination of a topic. */
  ofTopic(topic: string): Destination {
    return this.named(destinationOf(topic, this.#levels));
  }

  named(name: string): Destination {
    let destination = this.#byName.get(name);
    if (destination === undefined) {
      // DESTINATIONS-2
      if (this.#byName.size >= MAX_DESTINATIONS) this.#forgetIdle();
      destination = new Destination(name);
      this.#byName.set(name, destination);
    }
    return destination;
  }

  /** To be called after every change that may allow a destination to send. */
  refresh(destination: Destination): void {
    if (!destination.ready) return;
    if (destination.proven) this.#ready.add(destination);
    else this.#trials.add(destination);
  }

  /** Those that wait for their trial, oldest first. */
  trials(): readonly Destination[] {
    return this.#trials.list();
  }

  /** The destination has no turn until the next `refresh`. */
  withdraw(destination: Destination): void {
    this.#ready.delete(destination);
    this.#trials.delete(destination);
  }

  /** The destination keeps its turn. */
  hold(destination: Destination): void {
    this.#held = destination;
  }

  /** The destination whose turn it is. @param mayTry there is room for one that is not proven */
  next(mayTry: boolean): Destination | undefined {
    // DESTINATIONS-1
    const held = this.#held;
    this.#held = null;
    if (held?.ready && (held.proven || mayTry)) {
      this.withdraw(held);
      return held;
    }
    if (held !== null) this.refresh(held);
    // DESTINATIONS-3
    const isTrial = mayTry && ++this.#turn % TURNS === 0;
    const first = isTrial ? this.#trials.take() : this.#takeProven();
    if (first !== undefined || !mayTry) return first;
    return isTrial ? this.#takeProven() : this.#trials.take();
  }

  /** Empties every queue. @returns what was in them */
  takeQueued(): LeasedMessage[] {
    const rows: LeasedMessage[] = [];
    for (const destination of this.#byName.values()) {
      for (const { message } of destination.queue.splice(0)) rows.push(message);
    }
    this.#ready.clear();
    this.#trials.clear();
    return rows;
  }

  #takeProven(): Destination | undefined {
    for (const destination of this.#ready) {
      this.#ready.delete(destination);
      // A silence may have come since.
      if (!destination.proven) this.refresh(destination);
      else if (destination.ready) return destination;
    }
    return undefined;
  }

  #forgetIdle(): void {
    for (const proven of [false, true]) {
      for (const [name, destination] of this.#byName) {
        if (this.#byName.size <= MAX_DESTINATIONS * 0.9) return;
        if (destination.idle && destination.proven === proven) this.#byName.delete(name);
      }
    }
  }
}
