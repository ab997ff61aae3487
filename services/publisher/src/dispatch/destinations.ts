/**
 * The destinations in memory: which has the next turn, and which to forget.
 *
 * Invariants:
 *  DESTINATIONS-1. Those that may send are served in turn, one message each; the one that is held stays first.
 *  DESTINATIONS-2. At most `MAX_DESTINATIONS` are remembered. Only idle ones are forgotten, oldest first and parked ones last:
 *     the outbox remembers those too, and the claim sets their rows aside.
 */
import { destinationOf } from "@acktor/shared/protocol/topics";
import type { LeasedMessage } from "../outbox/outbox.ts";
import { Destination } from "./destination.ts";

const MAX_DESTINATIONS = 10_000;

export class Destinations {
  /** Leading levels of a topic that make a destination; 0 = all. */
  readonly #levels: number;
  readonly #byName = new Map<string, Destination>();
  readonly #ready = new Set<Destination>();
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
    if (destination.ready) this.#ready.add(destination);
  }

  /** The destination has no turn until the next `refresh`. */
  withdraw(destination: Destination): void {
    this.#ready.delete(destination);
  }

  /** The destination keeps its turn. */
  hold(destination: Destination): void {
    this.#held = destination;
  }

  /** The destination whose turn it is. */
  next(): Destination | undefined {
    // DESTINATIONS-1
    const held = this.#held;
    this.#held = null;
    if (held?.ready) {
      this.#ready.delete(held);
      return held;
    }
    for (const destination of this.#ready) {
      this.#ready.delete(destination);
      if (destination.ready) return destination;
    }
    return undefined;
  }

  /** Empties every queue. @returns what was in them */
  takeQueued(): LeasedMessage[] {
    const rows: LeasedMessage[] = [];
    for (const destination of this.#byName.values()) {
      for (const { message } of destination.queue.splice(0)) rows.push(message);
    }
    this.#ready.clear();
    return rows;
  }

  #forgetIdle(): void {
    for (const parked of [false, true]) {
      for (const [name, destination] of this.#byName) {
        if (this.#byName.size <= MAX_DESTINATIONS * 0.9) return;
        if (destination.idle && destination.parked === parked) this.#byName.delete(name);
      }
    }
  }
}
