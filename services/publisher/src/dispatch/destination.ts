/**
 * What the dispatcher knows of one destination: its queue, its window, its round trip, and whether it answers.
 *
 * Invariants:
 *  DESTINATION-1. A destination never has more messages in flight than its own window, so that a slow one takes from no other;
 *     only a probe exceeds it, and a parked destination gets nothing but probes.
 *  DESTINATION-2. Silence is counted at most once per ack timeout, and forgotten with the first answer or with the birth of an
 *     acker: what was sent before the birth says nothing about that acker.
 *  DESTINATION-3. A destination that was resumed and has not answered ignores births for a while, twice as long each time:
 *     forged births cause only a few messages a minute to silent destinations. Probes find the destination meanwhile.
 *  DESTINATION-4. A destination is proven by an answer, until an ack is late or it was quiet for `PROOF_MS`. Before its
 *     answer it has one message in flight. A birth proves nothing: any client can send one.
 *  DESTINATION-5. A destination that never answered is parked at its first silence. That loses nothing: the message stays in
 *     the outbox, its copy in the broker may still be answered, and the first probe comes as early as a retry would.
 */

import type { LeasedMessage } from "../outbox/outbox.ts";
import { type AckTimeout, type AckTimeoutBounds, ackTimeoutMs, NO_SAMPLES, withSample } from "./ack-timeout.ts";
import { type FlowWindow, grown, halved, INITIAL_WINDOW } from "./flow-window.ts";

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

/** Ack timeouts in a row after which a destination that has answered before is parked. */
export const SILENCE_LIMIT = 3;
/** An answer is proof for so long. A fleet that answered in the morning may be asleep in the evening. */
const PROOF_MS = 60_000;
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
  /** DESTINATION-4. Written by the methods of this class. */
  #proven = false;
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
    return first.probe || (!this.parked && this.inFlight < this.windowSize);
  }

  /** True while it is known to answer. */
  get proven(): boolean {
    return this.#proven;
  }

  /** True when no message of the destination is in memory. */
  get idle(): boolean {
    return this.queue.length === 0 && this.inFlight === 0;
  }

  get windowSize(): number {
    // DESTINATION-4
    return this.#proven ? Math.floor(this.#window.size) : 1;
  }

  ackTimeoutMs(bounds: AckTimeoutBounds): number {
    return ackTimeoutMs(this.#estimate, bounds);
  }

  /** @param roundTripMs null when the message was published more than once (Karn) */
  answered(now: number, roundTripMs: number | null, mostWindow: number): void {
    this.heard(now);
    this.#window = grown(this.#window, mostWindow);
    if (roundTripMs !== null) this.#estimate = withSample(this.#estimate, roundTripMs);
  }

  /** A sign of life: an answer, or a receiver that is at work. */
  heard(now: number): void {
    this.lastAnswerAt = now;
    this.#proven = true;
    this.asleep = false;
    this.#silences = 0;
    this.#resumes = 0;
  }

  /** Forgets the proof of a destination that was quiet for long. To be called before it gets a message. */
  reconsider(now: number): void {
    if (this.#proven && this.idle && now - (this.lastAnswerAt ?? 0) > PROOF_MS) this.#proven = false;
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
    this.#proven = false;
    // DESTINATION-5
    return this.#silences >= (this.lastAnswerAt === null ? 1 : SILENCE_LIMIT) && !this.parked;
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

  /** It leaves the window. */
  park(): void {
    this.parked = true;
    this.#proven = false;
  }

  /** Back from silence: starts as an unknown destination. */
  resume(now: number): void {
    this.parked = false;
    this.noSession = false;
    this.#proven = false;
    this.#resumedAt = now;
    this.#silences = 0;
    this.#window = INITIAL_WINDOW;
    // DESTINATION-3
    this.#resumes++;
  }
}
