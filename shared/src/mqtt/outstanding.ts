/**
 * Publishes of one connection that were written and have no answer yet.
 *
 * Invariants:
 *  OUTSTANDING-1. Each entry leaves exactly once: answered, expired, or with the connection.
 *  OUTSTANDING-2. The packet id of an expired entry stays in use until its answer arrives or the connection ends: the
 *                 broker may still answer it, and it still counts against the broker's Receive Maximum.
 *
 * Entries are in the order of their deadlines, so a search for expired ones costs what it finds.
 */
import type { PublishOutcome } from "./messages.ts";

export type OnOutcome = (outcome: PublishOutcome) => void;

/** One PUBLISH in flight. `tag` is the caller's. */
export interface OutstandingPublish {
  readonly packetId: number;
  readonly qos: 0 | 1 | 2;
  /** Monotonic milliseconds. */
  readonly sentAt: number;
  readonly tag: number;
  readonly onOutcome: OnOutcome;
}

export class Outstanding {
  readonly #open = new Map<number, OutstandingPublish>();
  /** Packet id → when it was sent. */
  readonly #expired = new Map<number, number>();

  /** Packet ids that wait for an answer, expired ones included. */
  get size(): number {
    return this.#open.size + this.#expired.size;
  }

  /** Entries whose deadline passed without an answer. */
  get unanswered(): number {
    return this.#expired.size;
  }

  add(entry: OutstandingPublish): void {
    this.#open.set(entry.packetId, entry);
  }

  get(packetId: number): OutstandingPublish | undefined {
    return this.#open.get(packetId);
  }

  /** True when this id waits for an answer, in time or late. */
  has(packetId: number): boolean {
    return this.#open.has(packetId) || this.#expired.has(packetId);
  }

  /** An answer arrived, in time or late. @returns false when none was expected */
  settle(packetId: number): boolean {
    return this.#open.delete(packetId) || this.#expired.delete(packetId); // OUTSTANDING-1
  }

  /** When the PUBLISH of this id was sent (monotonic milliseconds); also where its deadline has passed. */
  sentAt(packetId: number): number | undefined {
    return this.#open.get(packetId)?.sentAt ?? this.#expired.get(packetId);
  }

  /** When the oldest open entry was sent (monotonic milliseconds), or null. */
  oldestSentAt(): number | null {
    for (const entry of this.#open.values()) return entry.sentAt;
    return null;
  }

  /** Removes and returns the entries sent at or before `sentAt` (monotonic milliseconds). */
  expire(sentAt: number): OutstandingPublish[] {
    const expired: OutstandingPublish[] = [];
    for (const entry of this.#open.values()) {
      if (entry.sentAt > sentAt) break;
      expired.push(entry);
    }
    for (const { packetId, sentAt: at } of expired) {
      this.#open.delete(packetId);
      this.#expired.set(packetId, at); // OUTSTANDING-2
    }
    return expired;
  }

  /** The connection ended. @returns the open entries */
  clear(): OutstandingPublish[] {
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#expired.clear();
    return open;
  }
}
