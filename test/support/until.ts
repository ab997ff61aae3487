/** Waiting for a condition, with a bound: tests wait for what they need, never for a length of time. */

const POLL_MS = 10;

/**
 * Resolves with the first value of `condition` that is not false, null or undefined.
 * Throws after `timeoutMs`, saying what was waited for and what the last look gave.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  timeoutMs: number,
  what = "the condition",
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}; last: ${String(value)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
