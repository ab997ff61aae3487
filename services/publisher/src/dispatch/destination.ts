/**
 * What the dispatcher knows of one destination: its queue, its window, its round trip, and whether it answers.
 *
 * Invariants:
 *  1. A destination never has more messages under way than its own window, so that a slow one takes from no other;
 *     only a probe goes beyond it, and to a parked destination nothing but probes.
 *  2. Silence is counted at most once per ack timeout, and forgotten with the first answer, or when somebody announces
 *     himself: what was sent before that says nothing of him.
 *  3. A destination that was resumed and has not answered listens to no birth for a while, twice as long each time, and
 *     then gets a window of one: births of strangers make no messages to silent destinations but a few a minute. Probes
 *     find it meanwhile.
 */
import { type AckTimeout, type AckTimeoutBounds, ackTimeoutMs, NO_SAMPLES, withSample } from "./ack-timeout.ts";
import { type FlowWindow, grown, halved, INITIAL_WINDOW, NARROW_WINDOW } from "./flow-window.ts";
import type { QueuedMessage } from "./in-flight.ts";

/** Ack timeouts in a row after which a destination is parked. */
export const SILENCE_LIMIT = 3;
/** After a resume that no answer followed. */
const FIRST_DEAF_MS = 2_000;
const LONGEST_DEAF_MS = 60_000;

export class Destination {
  readonly name: string;
  readonly queue: QueuedMessage[] = [];
  inFlight = 0;
  parked = false;
  #window: FlowWindow = INITIAL_WINDOW;
  #estimate: AckTimeout = NO_SAMPLES;
  #silences = 0;
  #resumedAt = Number.NEGATIVE_INFINITY;
  /** Resumes since the last answer. */
  #resumes = 0;
  /** Monotonic milliseconds of the last answer; null = none since this process knows it. */
  lastAnswerAt: number | null = null;

  constructor(name: string) {
    this.name = name;
  }

  /** True when the next queued message may go out. */
  get ready(): boolean {
    const [first] = this.queue;
    if (first === undefined) return false;
    return first.probe || (!this.parked && this.inFlight < Math.floor(this.#window.size));
  }

  /** True when nothing of it is in memory but what was learnt. */
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

  /** True when a birth may resume it at this time (invariant 3). */
  listensAt(now: number): boolean {
    if (this.#resumes === 0) return true;
    return now - this.#resumedAt >= Math.min(LONGEST_DEAF_MS, FIRST_DEAF_MS * 2 ** (this.#resumes - 1));
  }

  /** Back from silence: starts as an unknown one. */
  resume(now: number): void {
    this.parked = false;
    this.#resumedAt = now;
    this.#silences = 0;
    this.#window = this.#resumes === 0 ? INITIAL_WINDOW : NARROW_WINDOW;
    this.#resumes++;
  }
}
