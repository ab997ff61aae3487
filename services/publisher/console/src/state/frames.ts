/**
 * Changes are drawn once per animation frame and at most twenty times a second, however many come. A hidden page has no
 * frames: nothing is drawn until it is seen again.
 */

/** With 100 events a second a drawing each frame costs thrice as much, and nobody reads faster than this. */
const LEAST_GAP_MS = 50;

/** @returns a function that asks for `draw` before one of the next frames; asked for many times, once */
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
