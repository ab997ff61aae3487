/**
 * Which destinations answer: parks those that stay silent, resumes those that answer or whose acker was born.
 *
 * Invariants:
 *  HEALTH-1. A destination that is silent or slow holds only its own window; it is parked after `SILENCE_LIMIT` ack timeouts, and
 *     what waited for it goes back to the outbox.
 *  HEALTH-2. At most `ACKTOR_WINDOW` messages, divided by the replicas, are un-acked. The window is the receivers': a broker
 *     queues that many un-acked messages for each of them, and publishers of one outbox share it.
 *  HEALTH-3. Destinations that are not proven use what the proven ones leave of the window: at least an eighth, and never
 *     the last quarter, so that thousands of absent devices cost a present one nothing.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import type { LeasedMessage } from "../outbox/outbox.ts";
import type { AckTimeoutBounds } from "./ack-timeout.ts";
import type { Destination } from "./destination.ts";
import type { Destinations } from "./destinations.ts";
import type { Attempt, InFlightBook } from "./in-flight-book.ts";
import type { Writes } from "./outbox-writer.ts";
import type { WaitingMessages } from "./waiting-messages.ts";

/** HEALTH-3 */
const LEAST_FOR_TRIALS = 1 / 8;
const KEPT_FROM_TRIALS = 1 / 4;
/** A trial without an answer for so long is a sign of absent destinations. */
const SLOW_TRIAL_MS = 500;
/** After such a sign they count as a crowd for so long. */
const CROWD_MS = 10_000;

/** Destinations looked at in one step: less than a millisecond. */
const STEP = 256;

export interface DestinationHealthParts {
  readonly clock: Clock;
  readonly destinations: Destinations;
  readonly waiting: WaitingMessages;
  readonly book: InFlightBook;
  readonly writes: Writes;
  readonly ackTimeout: AckTimeoutBounds;
  /** Of all replicas together. */
  readonly window: number;
}

export class DestinationHealth {
  readonly #parts: DestinationHealthParts;
  /** Written by `shareWindow`. */
  #window: number;
  #crowdUntil = Number.NEGATIVE_INFINITY;

  constructor(parts: DestinationHealthParts) {
    this.#parts = parts;
    this.#window = parts.window;
  }

  /** Most messages that may be un-acked now: this publisher's share. */
  get window(): number {
    return this.#window;
  }

  /** How many more messages may be sent to destinations that are not proven. */
  get roomForTrials(): number {
    const { book } = this.#parts;
    // HEALTH-3
    const least = Math.max(1, Math.floor(this.#window * LEAST_FOR_TRIALS)) - book.trials;
    const left = this.#window - Math.floor(this.#window * KEPT_FROM_TRIALS) - book.size;
    return Math.max(0, least, left);
  }

  /** What is in flight beyond a smaller share stays in flight. */
  shareWindow(replicas: number): void {
    // HEALTH-2
    this.#window = Math.max(1, Math.floor(this.#parts.window / Math.max(1, replicas)));
  }

  /** How long an ack of this destination may take. */
  ackTimeoutMs(destination: Destination): number {
    return destination.ackTimeoutMs(this.#parts.ackTimeout);
  }

  /** @param noSession the broker has no session that would keep a copy */
  park(destination: Destination, noSession = false): void {
    if (noSession) destination.noSession = true;
    if (destination.parked) return;
    const { waiting } = this.#parts;
    const was = destination.proven;
    destination.park();
    waiting.recount(destination, was);
    // HEALTH-1
    this.writePark(destination, waiting.takeParked(destination), true);
  }

  /** Has rows of a destination parked. @param tried false: nothing was sent to it; the prober does that next */
  writePark(destination: Destination, rows: readonly LeasedMessage[], tried: boolean): void {
    const { clock, waiting, writes } = this.#parts;
    const { name, lastAnswerAt } = destination;
    waiting.anyParked = true;
    writes.park(name, rows, { tried, answeredAgoMs: lastAnswerAt === null ? null : clock.now() - lastAnswerAt });
  }

  /** While there is a crowd: parks the oldest of those that wait for their trial, until a second's worth is left. */
  thin(): void {
    const { waiting, destinations } = this.#parts;
    if (!waiting.isOvercrowded) return;
    for (const destination of destinations.trials()) {
      if (!waiting.isOvercrowded) return;
      if (destination.parked || destination.proven) continue;
      const rows = waiting.takeUntried(destination);
      if (rows.length > 0) this.writePark(destination, rows, false);
    }
  }

  /** Looks for signs of absent destinations. @param now monotonic milliseconds */
  watch(attempt: Attempt, now: number): void {
    if (attempt.trial && now - attempt.sentAt >= SLOW_TRIAL_MS) this.#crowdUntil = now + CROWD_MS;
  }

  tick(now: number): void {
    this.#parts.waiting.isCrowd = now < this.#crowdUntil;
  }

  /** True when a destination is known to be parked, and no birth resumes it now. */
  ignoresBirths(name: string): boolean {
    const destination = this.#parts.destinations.known(name);
    return destination?.parked === true && !destination.listensAt(this.#parts.clock.now());
  }

  /** An ack has not come in time. */
  timedOut({ destination, sentAt }: Attempt, now: number): void {
    const was = destination.proven;
    const isOver = destination.silent(now, this.#parts.ackTimeout, sentAt);
    this.#parts.waiting.recount(destination, was);
    if (isOver) this.park(destination);
  }

  /** The broker keeps copies for the receiver (again): what waits is to be sent, answered or not. */
  sessionFound(destination: Destination, now: number): void {
    this.#resume(destination, now);
    this.#parts.writes.unpark(destination.name);
  }

  /** A receiver has answered a copy that is in flight no more: it comes from a broker's queue, or late. */
  answeredLate(topic: string): void {
    const { clock, destinations } = this.#parts;
    const now = clock.now();
    const known = destinations.known(topic);
    const destination = known ?? destinations.ofTopic(topic);
    const was = destination.proven;
    // One that is not in memory may be parked in the outbox.
    const maybeParked = known === undefined || known.parked;
    if (destination.parked) destination.resume(now);
    destination.answered(now, null, this.#mostWindow());
    this.#nowProven(destination, was, maybeParked);
  }

  /** The broker has answered, and no receiver is to answer. */
  brokerAnswered(destination: Destination, now: number): void {
    const was = destination.proven;
    destination.answered(now, null, this.#mostWindow());
    this.#nowProven(destination, was);
  }

  /** A receiver is at work. */
  heard({ destination }: Attempt, now: number): void {
    const was = destination.proven;
    if (!destination.parked) destination.heard(now);
    this.#nowProven(destination, was);
  }

  /** A receiver has answered: the destination lives, its window moves. */
  answered({ destination, attempt, sentAt, probe }: Attempt, now: number): void {
    this.#parts.waiting.answered();
    const was = destination.proven;
    // A probe may be of a destination that another replica parked.
    const wasParked = destination.parked || probe;
    if (destination.parked) destination.resume(now);
    destination.answered(now, attempt === 1 ? now - sentAt : null, this.#mostWindow());
    this.#nowProven(destination, was, wasParked);
  }

  /**
   * Resumes every destination that `matches` and was silent, in steps with a yield after each. A destination that ignores
   * births now stays as it is.
   * @returns the names of those that were parked
   */
  *unparkInSteps(matches: (name: string) => boolean): Generator<undefined, readonly string[]> {
    const { clock, destinations } = this.#parts;
    const names: string[] = [];
    const now = clock.now();
    let looked = 0;
    for (const destination of [...destinations.values()]) {
      if (++looked % STEP === 0) yield;
      if (!destination.isSilent || !destination.listensAt(now) || !matches(destination.name)) continue;
      if (destination.parked) names.push(destination.name);
      this.#resume(destination, now);
    }
    return names;
  }

  /** Resumes destinations that a birth has released, or for which no message waits any more. */
  resume(names: readonly string[]): void {
    const { clock, destinations } = this.#parts;
    const now = clock.now();
    for (const name of names) {
      const destination = destinations.known(name);
      if (destination === undefined || !destination.isSilent || !destination.listensAt(now)) continue;
      this.#resume(destination, now);
    }
  }

  #nowProven(destination: Destination, was: boolean, wasParked = false): void {
    const { waiting, writes, destinations } = this.#parts;
    waiting.recount(destination, was);
    // Other messages for it may be parked untried, or by another publisher.
    if (wasParked || (!was && destination.proven && waiting.anyParked)) writes.unpark(destination.name);
    destinations.refresh(destination);
  }

  #resume(destination: Destination, now: number): void {
    const { waiting, destinations } = this.#parts;
    const was = destination.proven;
    destination.resume(now);
    waiting.recount(destination, was);
    destinations.refresh(destination);
  }

  /** One destination alone may have all of the window, several share it. */
  #mostWindow(): number {
    const { destinations } = this.#parts;
    return destinations.size <= 1 ? this.#window : Math.max(16, Math.floor(this.#window / 2));
  }
}
