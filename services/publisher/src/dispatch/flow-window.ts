/**
 * How many un-acked messages a destination may have: additive increase, multiplicative decrease (as TCP Reno).
 * +1 for each ack up to the threshold, then +1 for each window of acks; halved at most once per ack timeout.
 */
export interface FlowWindow {
  readonly size: number;
  /** Below it the window grows by one per ack. */
  readonly threshold: number;
  /** Monotonic milliseconds before which no further halving counts. */
  readonly quietUntil: number;
}

/** Of a destination that has answered; before its answer it gets one message at a time (DESTINATION-4). */
export const INITIAL_WINDOW: FlowWindow = { size: 16, threshold: Number.POSITIVE_INFINITY, quietUntil: 0 };

/** The window after an ack; never above `most`. */
export function grown(window: FlowWindow, most: number): FlowWindow {
  const step = window.size < window.threshold ? 1 : 1 / window.size;
  return { ...window, size: Math.min(most, window.size + step) };
}

/** The window after an ack timeout at `now`; the same window when it was halved within the last `ackTimeoutMs`. */
export function halved(window: FlowWindow, now: number, ackTimeoutMs: number): FlowWindow {
  if (now < window.quietUntil) return window;
  const size = Math.max(1, window.size / 2);
  return { size, threshold: size, quietUntil: now + ackTimeoutMs };
}
