/** The time as the page shows it: ages and countdowns move with it, once a second or, where something runs down, faster. */
import { signal } from "@preact/signals";

/** Milliseconds since 1970; moves each quarter of a second while the page is seen. */
export const now = signal(Date.now());

/** @returns what ends it */
export function startClock(): () => void {
  const timer = setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 250);
  return () => clearInterval(timer);
}
