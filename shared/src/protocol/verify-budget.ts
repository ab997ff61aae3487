/**
 * How many Ed25519 signatures a flood of forged acks can make us verify: 109 µs each.
 *
 * A bucket of tokens that fills with time. A signature that holds under a message in flight costs nothing, so honest acks
 * are never slowed; one that does not costs a token, and so does every one of a message that is not in flight here. An
 * ack that finds the bucket empty is dropped: the message is sent again, and answered again.
 */
export interface VerifyBudget {
  /** Runs `verify` where the budget allows it; null where not. */
  check(verify: () => boolean, isInFlight: boolean): boolean | null;
}

/** Of what is in flight: an attacker must have read its id. 1,000 forgeries a second are 11 % of a core. */
const IN_FLIGHT_PER_SECOND = 1_000;
/** Of anything else: late acks, and those of other publishers' messages. */
const OTHERS_PER_SECOND = 500;

/** @param now monotonic milliseconds */
export function createVerifyBudget(now: () => number): VerifyBudget {
  const inFlight = createBucket(IN_FLIGHT_PER_SECOND, now);
  const others = createBucket(OTHERS_PER_SECOND, now);
  return {
    check(verify, isInFlight) {
      const bucket = isInFlight ? inFlight : others;
      if (!bucket.hasToken()) return null;
      const holds = verify();
      if (!holds || !isInFlight) bucket.take();
      return holds;
    },
  };
}

function createBucket(perSecond: number, now: () => number): { hasToken(): boolean; take(): void } {
  let tokens = perSecond;
  let filledAt = now();
  return {
    hasToken() {
      const at = now();
      tokens = Math.min(perSecond, tokens + ((at - filledAt) / 1_000) * perSecond);
      filledAt = at;
      return tokens >= 1;
    },
    take() {
      tokens--;
    },
  };
}
