/**
 * Copies that a broker holds for a receiver that sleeps (docs/how-to/devices-that-sleep.md).
 *
 * Invariants:
 *  HOLD-1. While a copy is held the message is not published again: its row is due when the hold is over, on any replica and
 *     after a restart.
 *  HOLD-2. A held copy leaves the window when its ack is late, and its silence is not its destination's. Once a destination
 *     sleeps, its next copies leave as soon as they are recorded.
 *  HOLD-3. Where the PUBACK says that no session is there, nothing is held: the message waits parked, and the first probe with
 *     another PUBACK resumes its destination.
 */
import type { LeasedMessage } from "../outbox/outbox.ts";

/** True when the broker is to hold this message's copy. */
export function hasHold({ holdMs = null }: LeasedMessage): boolean {
  return holdMs !== null && holdMs > 0;
}

/** Milliseconds from a PUBLISH to the next one. @param retryInMs without a hold; its jitter spreads what was sent together */
export function nextInMs({ holdMs, nextProbeMs = 0 }: LeasedMessage, retryInMs: number): number {
  return Math.max(retryInMs + (holdMs ?? 0), nextProbeMs);
}
