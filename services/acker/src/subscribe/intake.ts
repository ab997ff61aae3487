/**
 * The bounded door: what came from the broker and is not finished yet.
 *
 * Invariants:
 *  1. `receive` returns at once. PUBACK goes out on receipt; the driver hands messages over one by one, and holding one
 *     for its commit would make concurrency 1.
 *  2. At most `limit` messages and `byteLimit` bytes are held, from arrival to `release`; what comes on top is dropped
 *     and counted. The outbox sends it again.
 *  3. Our own topics (acks, presence) are no messages, whatever the filters select.
 */
import { isUnder } from "@acktor/shared/protocol/topics";
import type { Counts } from "../control/counts.ts";

export interface Held {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Monotonic milliseconds. */
  readonly arrivedAt: number;
}

export interface Intake {
  receive(message: { readonly topic: string; readonly payload: Uint8Array }): void;
  /** Gives the place of a forwarded message back. Twice is fine. */
  release(held: Held): void;
  /** Takes nothing until `open`. */
  close(): void;
  open(): void;
  size(): number;
  bytes(): number;
}

export interface IntakeOptions {
  readonly limit: number;
  readonly byteLimit: number;
  readonly ownPrefixes: readonly string[];
  readonly counts: Counts;
  readonly now: () => number;
  /** Takes a message over; false when it cannot. */
  readonly forward: (held: Held) => boolean;
}

/** Closed at first. */
export function createIntake(options: IntakeOptions): Intake {
  const { limit, byteLimit, ownPrefixes, counts, now, forward } = options;
  const places = new Set<Held>();
  let bytes = 0;
  let isOpen = false;

  return {
    receive({ topic, payload }) {
      counts.received++;
      if (ownPrefixes.some((prefix) => isUnder(topic, prefix))) {
        counts.messages.ignored++;
        return;
      }
      const fits = isOpen && places.size < limit && bytes + payload.byteLength <= byteLimit;
      const held = { topic, payload, arrivedAt: now() };
      if (!fits || !forward(held)) {
        counts.messages.overflow++;
        return;
      }
      places.add(held);
      bytes += payload.byteLength;
    },
    release(held) {
      if (places.delete(held)) bytes -= held.payload.byteLength;
    },
    close: () => {
      isOpen = false;
    },
    open: () => {
      isOpen = true;
    },
    size: () => places.size,
    bytes: () => bytes,
  };
}
