/**
 * The newest events of an instance, for viewers that connect later.
 *
 * Invariants:
 *  RING-1. At most `capacity` events are kept; a new one replaces the oldest.
 *  RING-2. An event noted without viewers costs one reference; it is made when a viewer asks for it, once.
 *  RING-3. `STEPS_KEPT` steps of messages are kept with each event; more would be most of the memory.
 */
import type { InspectEvent } from "./wire.ts";

export const RING_CAPACITY = 2_000;
const STEPS_KEPT = 5;

type Entry = InspectEvent | (() => InspectEvent);

export class EventRing {
  readonly #capacity: number;
  readonly #entries: Entry[] = [];
  /** Index of the oldest entry once the ring is full. */
  #next = 0;

  constructor(capacity = RING_CAPACITY) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** @param event the event, or a function that makes it later */
  push(event: Entry): void {
    // RING-3
    const entry = typeof event === "function" || event.kind !== "deliveries" ? event : withFewSteps(event);
    if (this.#entries.length < this.#capacity) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[this.#next] = entry; // RING-1
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** The newest events that fit into `bytes` as JSON, oldest first. */
  newest(bytes: number): InspectEvent[] {
    const events: InspectEvent[] = [];
    let left = bytes;
    for (let back = 1; back <= this.#entries.length; back++) {
      const event = this.#at(this.#next - back);
      left -= JSON.stringify(event).length + 1;
      if (left < 0) break;
      events.push(event);
    }
    return events.reverse();
  }

  #at(place: number): InspectEvent {
    const at = (place + this.#entries.length) % this.#entries.length;
    const entry = this.#entries[at];
    if (entry === undefined) throw new Error(`nothing at ${at} of ${this.#entries.length}`);
    const event = typeof entry === "function" ? entry() : entry;
    this.#entries[at] = event; // RING-2
    return event;
  }
}

function withFewSteps(event: Extract<InspectEvent, { kind: "deliveries" }>): InspectEvent {
  return event.steps.length <= STEPS_KEPT ? event : { ...event, steps: event.steps.slice(0, STEPS_KEPT) };
}
