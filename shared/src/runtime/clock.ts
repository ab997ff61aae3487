/** Time and chance, which every timed part receives from outside, so that tests and the simulation decide both. */
export interface Clock {
  /** Monotonic milliseconds: for durations and deadlines. */
  now(): number;
  /** Milliseconds since 1970: for what people and other machines read. */
  wallClock(): number;
}

export interface Random {
  /** At least 0, less than 1. */
  next(): number;
}

export const SYSTEM_CLOCK: Clock = { now: () => performance.now(), wallClock: () => Date.now() };

export const SYSTEM_RANDOM: Random = { next: Math.random };
