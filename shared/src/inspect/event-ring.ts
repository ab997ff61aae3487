/**
 * The newest events of an instance, for viewers who come late.
 *
 * Invariants:
 *  1. At most `capacity` are kept; the oldest makes room.
 *  2. What is noted while nobody watches costs a reference: it becomes an event when somebody asks for it, once.
 *  3. Of steps of messages a few are kept with each event; they would be most of the memory.
 */
import type { InspectEvent } from "./wire.ts";

export const RING_CAPACITY = 2_000;
const STEPS_KEPT = 5;

type Entry = InspectEvent | (() => InspectEvent);

export class EventRing {
  readonly #capacity: number;
  readonly #entries: Entry[] = [];
  /** Where the next one goes, once it is full. */
  #next = 0;

  constructor(capacity = RING_CAPACITY) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** @param event a function makes it later */
  push(event: Entry): void {
    const entry = typeof event === "function" || event.kind !== "deliveries" ? event : withFewSteps(event);
    if (this.#entries.length < this.#capacity) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** The newest that fit into `bytes` as JSON, oldest first. */
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
    this.#entries[at] = event;
    return event;
  }
}

function withFewSteps(event: Extract<InspectEvent, { kind: "deliveries" }>): InspectEvent {
  return event.steps.length <= STEPS_KEPT ? event : { ...event, steps: event.steps.slice(0, STEPS_KEPT) };
}
