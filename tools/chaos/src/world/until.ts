/** Waits for a condition, with a limit. */
import { pause } from "@acktor/shared/runtime/pause";

const POLL_MS = 20;
const NEVER = new AbortController().signal;

/** True as soon as `condition` is; false after `timeoutMs`, or when `signal` is aborted. */
export async function becomesTrue(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  signal: AbortSignal = NEVER,
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end || !(await pause(POLL_MS, signal))) return false;
  }
  return true;
}
