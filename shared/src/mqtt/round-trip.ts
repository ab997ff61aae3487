/**
 * The round trip of a line, learned from CONNACK, SUBACK, PINGRESP and PUBACK, and the deadlines that follow from it
 * (SRTT and RTTVAR as in RFC 6298). One for each link: it outlives connections. Packet ids tell which PUBLISH a PUBACK
 * answers, also a late one, so every answer is a sample.
 *
 * Invariants:
 *  ROUND_TRIP-1. A deadline is at least its floor, and at most `CEILING_MS` where the floor is not longer.
 *  ROUND_TRIP-2. After a connection that was given up without an answer the deadlines double, until a PUBLISH is answered:
 *                small packets may pass a line on which a large PUBLISH takes longer than any deadline so far.
 *  ROUND_TRIP-3. No single answer counts for more than `CEILING_MS`, and no result is longer or not a number: it outlives the
 *                connection, so one bad sample would spoil every later one.
 */

const CEILING_MS = 30_000;
const ALPHA = 1 / 8;
const BETA = 1 / 4;
/** Handshakes of TLS and subscriptions are a few round trips each; the longest patience is 2^this times the setting. */
const MOST_DOUBLINGS = 2;
const MOST_BACKOFF = 16;

export class RoundTrip {
  #smoothedMs = 0;
  #variationMs = 0;
  #hasSample = false;
  #backoff = 1;
  /** Connects in a row whose CONNACK did not come in time. */
  #slowConnects = 0;

  /** An answer to something other than a PUBLISH came after so many milliseconds. */
  sample(measuredMs: number): void {
    if (!(measuredMs >= 0)) return;
    const ms = Math.min(measuredMs, CEILING_MS); // ROUND_TRIP-3
    if (!this.#hasSample) {
      this.#hasSample = true;
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
      return;
    }
    this.#variationMs += BETA * (Math.abs(this.#smoothedMs - ms) - this.#variationMs);
    this.#smoothedMs += ALPHA * (ms - this.#smoothedMs);
  }

  /** A PUBLISH was answered after `ms`. */
  published(ms: number): void {
    this.sample(ms);
    this.#backoff = 1; // ROUND_TRIP-2
  }

  connected(ms: number): void {
    this.sample(ms);
    this.#slowConnects = 0;
  }

  connectTimedOut(): void {
    this.#slowConnects++;
  }

  /** The connection was given up because no answer came. */
  backOff(): void {
    this.#backoff = Math.min(MOST_BACKOFF, this.#backoff * 2);
  }

  /** Smoothed milliseconds; 0 before the first answer. */
  get smoothedMs(): number {
    return this.#smoothedMs;
  }

  /** Milliseconds within which nearly every answer comes, 30,000 at most; 0 before the first one. */
  get expectedMs(): number {
    return Math.min(CEILING_MS, this.#smoothedMs + 4 * this.#variationMs); // ROUND_TRIP-3
  }

  /** Milliseconds after which an answer is late. Three round trips, because QoS 2 takes two. */
  deadlineMs(floorMs: number): number {
    const learned = Math.max(floorMs, this.#smoothedMs * 2 + this.expectedMs) * this.#backoff;
    return Math.min(Math.max(floorMs, CEILING_MS), learned); // ROUND_TRIP-1
  }

  /** Milliseconds from the open socket to CONNACK. */
  handshakeMs(floorMs: number): number {
    return this.deadlineMs(floorMs * 2 ** Math.min(MOST_DOUBLINGS, this.#slowConnects));
  }
}

/** The settings of a connection, which are the floors. */
export interface DeadlineFloors {
  readonly publishDeadlineMs: number;
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
}

/** The deadlines of a connection as they are now. */
export class Deadlines {
  readonly #floors: DeadlineFloors;
  readonly #roundTrip: RoundTrip;

  constructor(floors: DeadlineFloors, roundTrip: RoundTrip) {
    this.#floors = floors;
    this.#roundTrip = roundTrip;
  }

  get publishDeadlineMs(): number {
    return this.#roundTrip.deadlineMs(this.#floors.publishDeadlineMs);
  }

  get silenceMs(): number {
    return this.#roundTrip.deadlineMs(this.#floors.silenceMs);
  }

  get subackMs(): number {
    return this.#roundTrip.deadlineMs(this.#floors.connectTimeoutMs);
  }

  get handshakeMs(): number {
    return this.#roundTrip.handshakeMs(this.#floors.connectTimeoutMs);
  }

  /** How long a PINGRESP may take at least. */
  get pingMs(): number {
    return this.#roundTrip.deadlineMs(0);
  }
}
