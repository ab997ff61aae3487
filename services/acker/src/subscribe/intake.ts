/**
 * The door for what the broker delivers.
 *
 * `receive` returns immediately. PUBACK is sent on receipt: the driver hands messages over one by one, and holding one
 * until its commit would make the concurrency 1.
 *
 * Invariants:
 *  ARRIVAL-1. A message that arrives while the intake is closed, or that has no place, is dropped and counted; the outbox
 *             sends it again.
 *  ARRIVAL-2. acktor's own topics (acks, presence) are not messages, even where a filter selects them, nor are the broker's own
 *             (`$…`): nats-server sends them to subscribers of `#`.
 */
import { isUnder } from "@acktor/shared/protocol/topics";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Counts } from "../control/counts.ts";
import type { Held, Places } from "./places.ts";

/** The next step. */
export interface Taker {
  /** Takes a message over; false when it cannot. */
  take(held: Held): boolean;
}

export interface IntakeParts {
  readonly places: Places;
  readonly next: Taker;
  readonly ownPrefixes: readonly string[];
  readonly counts: Counts;
  readonly clock: Pick<Clock, "now">;
}

/** Closed at first. */
export class Intake {
  readonly #parts: IntakeParts;
  /** Written by `open` and `close`, which the receiver calls. */
  #isOpen = false;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  receive({ topic, payload }: { readonly topic: string; readonly payload: Uint8Array }): void {
    const { places, next, ownPrefixes, counts, clock } = this.#parts;
    counts.received++;
    // ARRIVAL-2
    if (topic.startsWith("$") || ownPrefixes.some((prefix) => isUnder(topic, prefix))) {
      counts.messages.ignored++;
      return;
    }
    // ARRIVAL-1
    if (!this.#isOpen || !places.hasRoom(payload.byteLength)) {
      counts.messages.overflow++;
      return;
    }
    const held = { topic, payload, arrivedAt: clock.now() };
    // PLACES-2: a full batch begins within `take`, and may release this arrival there.
    places.hold(held);
    if (next.take(held)) return;
    places.release(held);
    counts.messages.overflow++;
  }

  open(): void {
    this.#isOpen = true;
  }

  close(): void {
    this.#isOpen = false;
  }
}
