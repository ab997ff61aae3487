/** The page's clock, for ages and times. */
import { signal } from "@preact/signals";

/** Milliseconds since 1970; updated four times a second while the page is visible. */
export const now = signal(Date.now());

/** @returns a function that stops it */
export function startClock(): () => void {
  const timer = setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 250);
  return () => clearInterval(timer);
}
