/**
 * Publishes that were written and are not answered yet, on one connection.
 *
 * Invariants:
 *  1. Each entry leaves exactly once: answered, expired, or with the connection.
 *  2. The packet id of an expired one stays taken until its answer comes late or the connection ends: the broker may
 *     still answer it, and it still counts against the broker's Receive Maximum.
 *  3. Entries stand in the order of their deadlines, so looking for expired ones costs what it finds.
 */
import type { PublishOutcome } from "./messages.ts";

/** One PUBLISH on its way. `tag` is the caller's. */
export interface OutstandingPublish {
  readonly packetId: number;
  readonly qos: 0 | 1 | 2;
  /** Monotonic milliseconds. */
  readonly sentAt: number;
  readonly tag: number;
  readonly onOutcome: (outcome: PublishOutcome) => void;
}

export class Outstanding {
  readonly #open = new Map<number, OutstandingPublish>();
  readonly #expired = new Set<number>();

  /** Packet ids that wait for an answer, expired ones too. */
  get size(): number {
    return this.#open.size + this.#expired.size;
  }

  /** Those whose deadline passed without an answer. */
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

  /** An answer came, in time or late. @returns false when none was awaited */
  settle(packetId: number): boolean {
    return this.#open.delete(packetId) || this.#expired.delete(packetId);
  }

  /** When the oldest open entry was sent (monotonic milliseconds), or null. */
  oldestSentAt(): number | null {
    for (const entry of this.#open.values()) return entry.sentAt;
    return null;
  }

  /** Takes out those sent at or before `sentAt` (monotonic milliseconds). */
  expire(sentAt: number): OutstandingPublish[] {
    const expired: OutstandingPublish[] = [];
    for (const entry of this.#open.values()) {
      if (entry.sentAt > sentAt) break;
      expired.push(entry);
    }
    for (const { packetId } of expired) {
      this.#open.delete(packetId);
      this.#expired.add(packetId);
    }
    return expired;
  }

  /** The connection ended. @returns the open entries. */
  clear(): OutstandingPublish[] {
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#expired.clear();
    return open;
  }
}
