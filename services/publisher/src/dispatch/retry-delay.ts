/** When a message is published again: backoff with full jitter on top of the ack timeout (never before it). */
export interface RetrySchedule {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Doublings beyond this change nothing and would overflow. */
const MAX_DOUBLINGS = 30;

/**
 * Milliseconds from a PUBLISH to the next one: A + U(0, min(cap, base·2^k)).
 * @param retries PUBLISHes of this message before this one; only those written on a live session count
 * @param random in [0, 1)
 */
export function retryDelayMs(
  schedule: RetrySchedule,
  ackTimeoutMs: number,
  retries: number,
  random: () => number,
): number {
  const spread = Math.min(schedule.capMs, schedule.baseMs * 2 ** Math.min(retries, MAX_DOUBLINGS));
  return ackTimeoutMs + random() * spread;
}
