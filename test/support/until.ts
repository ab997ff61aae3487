/** Waiting for a condition, with a bound: tests wait for what they need, never for a length of time. */

const POLL_MS = 10;
/** On a busy machine everything takes longer. The limit ends a wait for what never comes; it makes no claim about time. */
const PATIENCE = 3;

/**
 * Resolves with the first value of `condition` that is not false, null or undefined.
 * Throws after three times `timeoutMs`, saying what was waited for and what the last look gave.
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
