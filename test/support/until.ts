/** Waiting for a condition, with a bound: tests wait for what they need, never for a length of time. */

const POLL_MS = 10;
/** A busy machine is slow. The limit ends a wait for an event that never comes; it asserts nothing about time. */
const PATIENCE = 3;

/**
 * Resolves with the first value of `condition` that is not false, null or undefined.
 * Throws after three times `timeoutMs`, with the awaited condition and its last value.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  timeoutMs: number,
  what = "the condition",
): Promise<Exclude<T, false | null | undefined>> {
  const limitMs = PATIENCE * timeoutMs;
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > end)
      throw new Error(`waited ${limitMs} ms without success for ${what}; last: ${String(value)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
