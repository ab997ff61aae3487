/**
 * Limits drawing to animation frames, and to twenty times a second. A hidden page has no frames, so it draws nothing.
 */

/** With 100 events a second, drawing in every frame costs three times as much, and people cannot read faster. */
const LEAST_GAP_MS = 50;

/** @returns a function that schedules `draw` before one of the next frames; several calls schedule one */
export function drawer(draw: () => void): () => void {
  let isAsked = false;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const frame = (): void => {
    isAsked = false;
    drawnAt = performance.now();
    draw();
  };
  return () => {
    if (isAsked) return;
    isAsked = true;
    const wait = drawnAt + LEAST_GAP_MS - performance.now();
    if (wait <= 0) requestAnimationFrame(frame);
    else setTimeout(() => requestAnimationFrame(frame), wait);
  };
}
