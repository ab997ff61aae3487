/**
 * Sizes of statements with several effects: prepared texts must be few, and each statement is a commit. A batch of up to
 * 500 effects takes at most four statements, most batches take two.
 */
const SIZES = [500, 400, 320, 250, 200, 160, 125, 100, 80, 64, 50, 40, 32, 25, 20, 16, 12, 10, 8, 6, 5, 4, 3, 2, 1];

/** Cuts a batch into pieces of these sizes, the largest first. */
export function piecesOf<T>(items: readonly T[]): T[][] {
  const pieces: T[][] = [];
  for (let at = 0; at < items.length; ) {
    const size = SIZES.find((candidate) => candidate <= items.length - at) ?? 1;
    pieces.push(items.slice(at, at + size));
    at += size;
  }
  return pieces;
}
