/**
 * The leased messages that wait in memory for their PUBLISH, by destination.
 *
 * Invariants:
 *  WAITING_MESSAGES-1. At most as many messages wait as the `LeaseBuffer` holds, and a destination that is not alone takes a
 *     part of it only: a destination with a full window must not fill the buffer with rows that cannot be sent.
 *  WAITING_MESSAGES-2. While the gate is closed no message waits.
 *  WAITING_MESSAGES-3. Messages of destinations that are not proven take at most half of the buffer, so that a fresh message of
 *     a proven one always finds a place. While many of those destinations are silent (a *crowd*), `TRIALS_IN_MEMORY` of their
 *     messages wait here, the newest; the others are parked.
 *  WAITING_MESSAGES-4. A fresh message of a destination that may be parked goes through the claim, which knows.
 */
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { Destination, QueuedMessage } from "./destination.ts";
import type { Destinations } from "./destinations.ts";
import { hasHold } from "./hold.ts";
import { LeaseBuffer } from "./lease-buffer.ts";

/** A second's worth of trials, should none be answered. */
const TRIALS_IN_MEMORY = 256;

/** Why a message that was offered does not wait. */
export type Placed = "waits" | "no room" | "parked";

export class WaitingMessages {
  readonly #destinations: Destinations;
  readonly #buffer = new LeaseBuffer();
  /** Written by `setOpen`. */
  #isOpen = false;
  /** Of those that wait, messages to destinations that are not proven. */
  #unproven = 0;
  /** Places kept for such messages. */
  #reservedUnproven = 0;
  /** Many destinations that are not proven stay silent. Written by `DestinationHealth`. */
  isCrowd = false;
  /** A destination is parked somewhere. Written by `Dispatcher` and `DestinationHealth`. */
  anyParked = false;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get size(): number {
    return this.#buffer.queued;
  }

  /** How many more a claim may bring: of a crowd any number, because what exceeds it is parked. */
  get room(): number {
    const { room } = this.#buffer;
    if (this.isCrowd || this.#unproven === 0) return room;
    return Math.min(room, Math.max(0, this.#buffer.mostUnproven - this.#unproven));
  }

  /** True while at least half of the buffer is free. */
  get isLow(): boolean {
    return this.#buffer.isLow && (this.isCrowd || this.#unproven <= this.#buffer.mostUnproven / 2);
  }

  /** True while more trials wait in memory than should. */
  get isOvercrowded(): boolean {
    return this.isCrowd && this.#unproven > TRIALS_IN_MEMORY;
  }

  setOpen(open: boolean): void {
    this.#isOpen = open;
  }

  /** Keeps room for a message that is about to be inserted; false when it must wait in the outbox. */
  reserve(topic: string): boolean {
    if (!this.#isOpen || this.#buffer.room === 0) return false;
    const destination = this.#destinations.known(topic);
    // WAITING_MESSAGES-4
    if (destination === undefined ? this.anyParked : destination.parked) return false;
    if ((destination?.queue.length ?? 0) >= this.#share()) return false;
    if (!destination?.proven && !this.#reserveTrial()) return false;
    this.#buffer.reserve();
    return true;
  }

  unreserve(count: number): void {
    this.#buffer.unreserve(count);
    // Which of them were trials is not worth remembering: a place too many is given back to the outbox.
    this.#reservedUnproven = Math.max(0, this.#reservedUnproven - count);
  }

  /** To be called after a change that may have proven a destination, or the contrary. @param was `proven` before it */
  recount(destination: Destination, was: boolean): void {
    if (destination.proven === was) return;
    this.#unproven += was ? destination.queue.length : -destination.queue.length;
  }

  /** @param now monotonic milliseconds */
  place(message: LeasedMessage, to: Destination, leaseEndsAt: number, now: number, probe: boolean): Placed {
    // WAITING_MESSAGES-2
    if (!this.#isOpen) return "no room";
    const later = isForLater(message, to);
    if (to.parked && !probe && !later) return "parked";
    to.reconsider(now);
    // WAITING_MESSAGES-3; what may not be parked has no place in a crowd.
    const isBounded = !to.proven && !probe && (later || !this.isCrowd);
    if (isBounded && this.#unproven >= this.#buffer.mostUnproven) return "no room";
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
    if (queued !== undefined) this.#removed(destination, 1);
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
    this.#removed(destination, rows.length);
    this.#destinations.withdraw(destination);
    this.#destinations.refresh(destination);
    return rows;
  }

  /** Takes what waits for a destination to which nothing was sent yet, but for what the broker keeps for absent receivers. */
  takeUntried(destination: Destination): LeasedMessage[] {
    const rows: LeasedMessage[] = [];
    for (const queued of destination.queue.splice(0)) {
      if (queued.probe || isForLater(queued.message, destination)) destination.queue.push(queued);
      else rows.push(queued.message);
    }
    this.#removed(destination, rows.length);
    return rows;
  }

  takeAll(): LeasedMessage[] {
    this.#buffer.queued = 0;
    this.#unproven = 0;
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
    if (!destination.proven) this.#unproven++;
    this.#destinations.refresh(destination);
  }

  #removed(destination: Destination, count: number): void {
    this.#buffer.queued -= count;
    if (!destination.proven) this.#unproven -= count;
  }

  #reserveTrial(): boolean {
    const most = this.isCrowd ? TRIALS_IN_MEMORY : this.#buffer.mostUnproven;
    if (this.#unproven + this.#reservedUnproven >= most) return false;
    this.#reservedUnproven++;
    return true;
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
