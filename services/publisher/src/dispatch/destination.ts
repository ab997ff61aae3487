/**
 * What the dispatcher knows of one destination: its queue, its window, its round trip, and whether it answers.
 *
 * Invariants:
 *  DESTINATION-1. A destination never has more messages in flight than its own window, so that a slow one takes from no other;
 *     only a probe exceeds it, and a parked destination gets nothing but probes.
 *  DESTINATION-2. Silence is counted at most once per ack timeout, and forgotten with the first answer or with the birth of an
 *     acker: what was sent before the birth says nothing about that acker.
 *  DESTINATION-3. A destination that was resumed and has not answered ignores births for a while, twice as long each time, and
 *     then gets a window of one: forged births cause only a few messages a minute to silent destinations. Probes find the
 *     destination meanwhile.
 */

import type { LeasedMessage } from "../outbox/outbox.ts";
import { type AckTimeout, type AckTimeoutBounds, ackTimeoutMs, NO_SAMPLES, withSample } from "./ack-timeout.ts";
import { type FlowWindow, grown, halved, INITIAL_WINDOW, NARROW_WINDOW } from "./flow-window.ts";

/** Leased, not yet published. Times are monotonic milliseconds. */
export interface QueuedMessage {
  readonly message: LeasedMessage;
  /** The lease ends then, measured from before the claim was sent, so we are never later than the database. */
  readonly leaseEndsAt: number;
  /** Its life ends then; null = no TTL. */
  readonly expiresAt: number | null;
  /** A single PUBLISH that finds out whether a parked destination answers again. */
  readonly probe: boolean;
}

/** Ack timeouts in a row after which a destination is parked. */
export const SILENCE_LIMIT = 3;
/** After a resume that no answer followed. */
const FIRST_IGNORED_MS = 2_000;
const LONGEST_IGNORED_MS = 60_000;

export class Destination {
  readonly name: string;
  readonly queue: QueuedMessage[] = [];
  inFlight = 0;
  parked = false;
  /** The last PUBACK said that no session is there: a copy would be held nowhere. */
  noSession = false;
  /** A copy that a broker holds was not answered, and nothing was since. */
  asleep = false;
  #window: FlowWindow = INITIAL_WINDOW;
  #estimate: AckTimeout = NO_SAMPLES;
  #silences = 0;
  #resumedAt = Number.NEGATIVE_INFINITY;
  /** Resumes since the last answer. */
  #resumes = 0;
  /** Monotonic milliseconds of the last answer; null = none since this process started. */
  lastAnswerAt: number | null = null;

  constructor(name: string) {
    this.name = name;
  }

  /** True when the next queued message may be sent. */
  get ready(): boolean {
    const [first] = this.queue;
    if (first === undefined) return false;
    // DESTINATION-1
    return first.probe || (!this.parked && this.inFlight < Math.floor(this.#window.size));
  }

  /** True when no message of the destination is in memory. */
  get idle(): boolean {
    return this.queue.length === 0 && this.inFlight === 0;
  }

  get windowSize(): number {
    return Math.floor(this.#window.size);
  }

  ackTimeoutMs(bounds: AckTimeoutBounds): number {
    return ackTimeoutMs(this.#estimate, bounds);
  }

  /** @param roundTripMs null when the message was published more than once (Karn) */
  answered(now: number, roundTripMs: number | null, mostWindow: number): void {
    this.lastAnswerAt = now;
    this.asleep = false;
    this.#silences = 0;
    this.#resumes = 0;
    this.#window = grown(this.#window, mostWindow);
    if (roundTripMs !== null) this.#estimate = withSample(this.#estimate, roundTripMs);
  }

  /**
   * Notes an ack timeout.
   * @param sentAt when what was not answered was sent
   * @returns true when the destination should be parked now
   */
  silent(now: number, bounds: AckTimeoutBounds, sentAt = now): boolean {
    // DESTINATION-2
    if (sentAt < this.#resumedAt) return false;
    const shrunk = halved(this.#window, now, this.ackTimeoutMs(bounds));
    if (shrunk === this.#window) return false;
    this.#window = shrunk;
    this.#silences++;
    return this.#silences >= SILENCE_LIMIT && !this.parked;
  }

  /** True when it is parked or on the way there. */
  get isSilent(): boolean {
    return this.parked || this.#silences > 0;
  }

  /** True when a birth may resume it at this time (DESTINATION-3). */
  listensAt(now: number): boolean {
    if (this.#resumes === 0) return true;
    return now - this.#resumedAt >= Math.min(LONGEST_IGNORED_MS, FIRST_IGNORED_MS * 2 ** (this.#resumes - 1));
  }

  /** Back from silence: starts as an unknown destination. */
  resume(now: number): void {
    this.parked = false;
    this.noSession = false;
    this.#resumedAt = now;
    this.#silences = 0;
    // DESTINATION-3
    this.#window = this.#resumes === 0 ? INITIAL_WINDOW : NARROW_WINDOW;
    this.#resumes++;
  }
}
