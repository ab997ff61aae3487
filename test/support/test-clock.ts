/** A clock that only the test moves. */
import type { Clock, Random } from "@acktor/shared/runtime/clock";

export interface TestClock extends Clock {
  /** Monotonic milliseconds. */
  at: number;
  /** Milliseconds since 1970. */
  wallAt: number;
}

export function testClock(at = 0, wallAt = 1_000_000): TestClock {
  return {
    at,
    wallAt,
    now() {
      return this.at;
    },
    wallClock() {
      return this.wallAt;
    },
  };
}

/** Always returns the middle of the range. */
export const HALF: Random = { next: () => 0.5 };
