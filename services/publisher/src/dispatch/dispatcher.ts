/**
 * The dispatcher: takes leased rows, publishes them, watches for their acks. It puts its parts together and is their door:
 * the intake, the settler, the janitor and the births of ackers call it.
 *
 * Invariants:
 *  DISPATCHER-1. What is leased and not sent when the gate closes goes back to the outbox immediately.
 */

import type { DeliveryNotes } from "@acktor/shared/inspect/deliveries";
import type { Link } from "@acktor/shared/link/link";
import type { AckPrefixes } from "@acktor/shared/protocol/ack-prefixes";
import type { Clock } from "@acktor/shared/runtime/clock";
import type { Tracing } from "@acktor/shared/runtime/tracing";
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { AckTimeoutBounds } from "./ack-timeout.ts";
import { AckWatch } from "./ack-watch.ts";
import { AttemptRecorder } from "./attempt-recorder.ts";
import type { DeliveryPolicy } from "./delivery-policy.ts";
import type { Destination } from "./destination.ts";
import { DestinationHealth } from "./destination-health.ts";
import type { Destinations } from "./destinations.ts";
import { type DispatchCounts, newDispatchCounts } from "./dispatch-counts.ts";
import type { Doorbell } from "./doorbell.ts";
import type { EnvelopeSeal } from "./envelope-seal.ts";
import type { InFlight, InFlightBook } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";
import { type BrokerAcks, PublishEnds } from "./publish-ends.ts";
import { type HangUps, Quarantine } from "./quarantine.ts";
import type { RetryDelay } from "./retry-delay.ts";
import { Sender } from "./sender.ts";
import { WaitingMessages } from "./waiting-messages.ts";

/** Rows that do not fit come due again after this. */
const NO_ROOM_MS = 250;

export interface DispatcherParts {
  readonly link: Link;
  readonly clock: Clock;
  readonly destinations: Destinations;
  readonly book: InFlightBook;
  readonly writes: Writes;
  readonly brokerAcks: BrokerAcks;
  readonly doorbell: Doorbell;
  readonly policy: DeliveryPolicy;
  readonly retryDelay: RetryDelay;
  readonly seal: EnvelopeSeal;
  readonly deliveries: DeliveryNotes;
  readonly tracing: Tracing;
  readonly ackPrefixes: AckPrefixes;
  readonly window: number;
  /** A PUBLISH ends within this, with PUBACK or without. */
  readonly publishDeadlineMs: number;
  readonly ackTimeout: AckTimeoutBounds;
}

/** A destination as people look at it. */
export interface DestinationView {
  readonly name: string;
  readonly queued: number;
  readonly unacked: number;
  readonly window: number;
  readonly parked: boolean;
  /** Null: no answer since this process started. */
  readonly lastAnswerAgoMs: number | null;
}

export class Dispatcher {
  readonly counts: DispatchCounts = newDispatchCounts();
  /** Which destinations answer. */
  readonly health: DestinationHealth;
  readonly #parts: DispatcherParts;
  readonly #waiting: WaitingMessages;
  readonly #quarantine = new Quarantine();
  readonly #recorder: AttemptRecorder;
  readonly #watch: AckWatch;
  readonly #sender: Sender;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#waiting = new WaitingMessages(parts.destinations);
    const common = { ...parts, waiting: this.#waiting, quarantine: this.#quarantine, counts: this.counts };
    this.health = new DestinationHealth(common);
    this.#recorder = new AttemptRecorder(parts);
    parts.book.correctedBy(this.#recorder);
    const all = { ...common, health: this.health, recorder: this.#recorder };
    this.#watch = new AckWatch(all);
    this.#sender = new Sender({ ...all, ends: new PublishEnds(all) });
  }

  /** Messages at which the broker closes the connection; null: none. */
  hangUps(): HangUps | null {
    return this.#quarantine.hangUps(this.#parts.clock.now());
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get unacked(): number {
    return this.#parts.book.size;
  }

  /** Of those, messages to destinations that were not proven when they were sent. */
  get trials(): number {
    return this.#parts.book.trials;
  }

  /** Most messages that may be un-acked now: this publisher's share. */
  get window(): number {
    return this.health.window;
  }

  /** How many more leased messages fit into memory. */
  get room(): number {
    return this.#waiting.room;
  }

  /** True while many destinations that are not proven stay silent: their rows stand before those of others. */
  get isCrowd(): boolean {
    return this.#waiting.isCrowd;
  }

  /** How many more messages may be sent to destinations that are not proven. */
  get roomForTrials(): number {
    return this.#waiting.isOpen ? this.health.roomForTrials : 0;
  }

  /** What the last claim saw: whether a destination is parked, by this publisher or another one. */
  noteParked(any: boolean): void {
    this.#waiting.anyParked = any;
  }

  /** Keeps room for a message that is about to be inserted; false when it must wait in the outbox. */
  reserve(topic: string): boolean {
    return this.#waiting.reserve(topic);
  }

  unreserve(count: number): void {
    this.#waiting.unreserve(count);
  }

  /** Opens or closes the gate. Closing gives back what was not sent. */
  setOpen(open: boolean): void {
    this.#waiting.setOpen(open);
    if (open) this.#sender.pump();
    else this.#giveBack();
  }

  /**
   * Takes leased messages.
   * @param leaseEndsAt monotonic milliseconds, measured from before the lease was asked for
   */
  offer(messages: readonly LeasedMessage[], leaseEndsAt: number, probe = false): void {
    const { clock, destinations, book, writes } = this.#parts;
    const now = clock.now();
    const back: LeasedMessage[] = [];
    const parked = new Map<Destination, LeasedMessage[]>();
    for (const message of messages) {
      const before = book.find(message.messageId);
      if (before !== null) this.#watch.supersedeAttempt(before, now);
      const destination = destinations.ofTopic(message.topic);
      const placed = this.#waiting.place(message, destination, leaseEndsAt, now, probe);
      if (placed === "no room") back.push(message);
      else if (placed === "parked") group(parked, destination, message);
    }
    if (back.length > 0) writes.release(back, this.#waiting.isOpen ? NO_ROOM_MS : 0);
    for (const [destination, rows] of parked) this.health.writePark(destination, rows, true);
    this.#sender.pump();
    this.health.thin();
  }

  /** Sends what may be sent now. */
  pump(): void {
    this.#sender.pump();
  }

  /** To be called every few tens of milliseconds: ack timeouts, and records whose ack did not come first. */
  tick(): void {
    const now = this.#parts.clock.now();
    this.#watch.tick(now);
    this.health.tick(now);
    this.#waiting.resize(now);
    this.#sender.pump();
    this.health.thin();
  }

  /** A verified answer to this PUBLISH arrived, processed or rejected. */
  answered(attempt: InFlight): void {
    const { book, clock } = this.#parts;
    this.#quarantine.delivered(attempt.message);
    book.close(attempt);
    this.health.answered(attempt, clock.now());
    this.#sender.pump();
  }

  /** A receiver is at work on this PUBLISH and asks not to be sent it again for `forMs`. */
  postpone(attempt: InFlight, forMs: number): void {
    this.#watch.postpone(attempt, forMs);
  }

  /** A receiver rejected this PUBLISH, and the policy says that its destination is to rest. */
  rest(attempt: InFlight): void {
    this.health.park(attempt.destination);
  }

  /** Resumes silent destinations after a birth, in steps with a yield after each. @returns those that were parked */
  unparkInSteps(matches: (name: string) => boolean): Generator<undefined, readonly string[]> {
    return this.health.unparkInSteps(matches);
  }

  /** After a birth: what is in flight for the topics that `matches` is due at its ack timeout. In steps. */
  retryAtAckTimeoutInSteps(matches: (topic: string) => boolean): Generator<undefined, void> {
    return this.#watch.retryAtAckTimeoutInSteps(matches);
  }

  /** For a drain: everything published and not acked, so that its attempt is written before the stop. */
  flushRecords(): void {
    this.#recorder.flush();
  }

  /** What people look at. */
  destinations(): readonly DestinationView[] {
    const now = this.#parts.clock.now();
    return [...this.#parts.destinations.values()].map((d) => {
      const lastAnswerAgoMs = d.lastAnswerAt === null ? null : now - d.lastAnswerAt;
      const { name, queue, inFlight: unacked, windowSize: window, parked } = d;
      return { name, queued: queue.length, unacked, window, parked, lastAnswerAgoMs };
    });
  }

  #giveBack(): void {
    const rows = this.#waiting.takeAll();
    // DISPATCHER-1
    if (rows.length > 0) this.#parts.writes.release(rows, 0);
  }
}

function group(map: Map<Destination, LeasedMessage[]>, to: Destination, message: LeasedMessage): void {
  const rows = map.get(to);
  if (rows === undefined) map.set(to, [message]);
  else rows.push(message);
}
