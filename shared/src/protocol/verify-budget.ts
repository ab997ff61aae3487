/**
 * How many Ed25519 signatures a flood of forged acks can make this process verify: 109 µs each.
 *
 * A bucket of tokens that fills with time. A valid signature of a message in flight costs nothing, so honest acks are never
 * slowed; an invalid one costs a token, and so does every signature of a message that is not in flight here. An ack that
 * finds the bucket empty is dropped: the message is sent again, and answered again.
 */

/** Of messages in flight: an attacker must have read the id. 1,000 forgeries a second are 11 % of a core. */
const IN_FLIGHT_PER_SECOND = 1_000;
/** Of other messages: late acks, and those of other publishers' messages. */
const OTHERS_PER_SECOND = 500;

export class VerifyBudget {
  readonly #inFlight: Bucket;
  readonly #others: Bucket;

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#inFlight = new Bucket(IN_FLIGHT_PER_SECOND, now);
    this.#others = new Bucket(OTHERS_PER_SECOND, now);
  }

  /** Runs `verify` where the budget allows it; null where not. */
  check(verify: () => boolean, isInFlight: boolean): boolean | null {
    const bucket = isInFlight ? this.#inFlight : this.#others;
    if (!bucket.hasToken()) return null;
    const holds = verify();
    if (!holds || !isInFlight) bucket.take();
    return holds;
  }
}

class Bucket {
  readonly #perSecond: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#tokens = perSecond;
    this.#filledAt = now();
  }

  hasToken(): boolean {
    const at = this.#now();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((at - this.#filledAt) / 1_000) * this.#perSecond);
    this.#filledAt = at;
    return this.#tokens >= 1;
  }

  take(): void {
    this.#tokens--;
  }
}
