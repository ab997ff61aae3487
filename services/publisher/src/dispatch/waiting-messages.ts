/**
 * The leased messages that wait in memory for their PUBLISH, by destination.
 *
 * Invariants:
 *  WAITING_MESSAGES-1. At most as many messages wait as the `LeaseBuffer` holds, and a destination that is not alone takes a
 *     part of it only: a destination with a full window must not fill the buffer with rows that cannot be sent.
 *  WAITING_MESSAGES-2. While the gate is closed no message waits.
 */
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { Destination, QueuedMessage } from "./destination.ts";
import type { Destinations } from "./destinations.ts";
import { hasHold } from "./hold.ts";
import { LeaseBuffer } from "./lease-buffer.ts";

/** Why a message that was offered does not wait. */
export type Placed = "waits" | "no room" | "parked";

export class WaitingMessages {
  readonly #destinations: Destinations;
  readonly #buffer = new LeaseBuffer();
  /** Written by `setOpen`. */
  #isOpen = false;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get size(): number {
    return this.#buffer.queued;
  }

  /** How many more fit. */
  get room(): number {
    return this.#buffer.room;
  }

  /** True while at least half of the buffer is free. */
  get isLow(): boolean {
    return this.#buffer.isLow;
  }

  setOpen(open: boolean): void {
    this.#isOpen = open;
  }

  /** Keeps room for a message that is about to be inserted; false when it must wait in the outbox. */
  reserve(topic: string): boolean {
    if (!this.#isOpen || this.room === 0) return false;
    const destination = this.#destinations.known(topic);
    if (destination?.parked || (destination?.queue.length ?? 0) >= this.#share()) return false;
    this.#buffer.reserve();
    return true;
  }

  unreserve(count: number): void {
    this.#buffer.unreserve(count);
  }

  /** @param now monotonic milliseconds */
  place(message: LeasedMessage, to: Destination, leaseEndsAt: number, now: number, probe: boolean): Placed {
    // WAITING_MESSAGES-2
    if (!this.#isOpen) return "no room";
    if (to.parked && !probe && !isForLater(message, to)) return "parked";
    // WAITING_MESSAGES-1
    if (to.queue.length >= this.#share()) return "no room";
    const expiresAt = message.expiresInMs === null ? null : now + message.expiresInMs;
    const queued = { message, leaseEndsAt, expiresAt, probe: probe || to.parked };
    if (probe) to.queue.unshift(queued);
    else to.queue.push(queued);
    this.#added(to);
    return "waits";
  }

  /** Takes the next message of this destination. */
  take(destination: Destination): QueuedMessage | undefined {
    const queued = destination.queue.shift();
    if (queued !== undefined) this.#buffer.queued--;
    return queued;
  }

  /** The message was not sent after all: it stays the first of its destination. */
  putBack(destination: Destination, queued: QueuedMessage): void {
    destination.queue.unshift(queued);
    this.#added(destination);
  }

  /** Takes what waits for a destination that is parked now. What a parked destination may get stays, as probes. */
  takeParked(destination: Destination): LeasedMessage[] {
    const rows: LeasedMessage[] = [];
    for (const queued of destination.queue.splice(0)) {
      if (isForLater(queued.message, destination)) destination.queue.push({ ...queued, probe: true });
      else rows.push(queued.message);
    }
    this.#buffer.queued -= rows.length;
    this.#destinations.withdraw(destination);
    this.#destinations.refresh(destination);
    return rows;
  }

  takeAll(): LeasedMessage[] {
    this.#buffer.queued = 0;
    return this.#destinations.takeQueued();
  }

  /** An answer has arrived: the size of the buffer follows the rate of answers. */
  answered(): void {
    this.#buffer.answered();
  }

  resize(now: number): void {
    this.#buffer.resize(now);
  }

  #added(destination: Destination): void {
    this.#buffer.queued++;
    this.#destinations.refresh(destination);
  }

  #share(): number {
    return this.#buffer.shareOf(this.#destinations.size);
  }
}

/** What the broker keeps for absent receivers passes the parking, as in the claim (DUE-4). */
function isForLater(message: LeasedMessage, to: Destination): boolean {
  const isForSession = hasHold(message) && !message.noSession && !to.noSession;
  return isForSession || (message.retain && message.attempts === 0);
}
