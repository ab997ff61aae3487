/**
 * In how many statements a batch of effects goes: texts that are prepared must be few, and each statement is a commit. No
 * batch of up to 500 takes more than four of these, most take two.
 */
const SIZES = [500, 400, 320, 250, 200, 160, 125, 100, 80, 64, 50, 40, 32, 25, 20, 16, 12, 10, 8, 6, 5, 4, 3, 2, 1];

/** Cuts a batch into pieces of sizes that are prepared, the largest first. */
export function piecesOf<T>(items: readonly T[]): T[][] {
  const pieces: T[][] = [];
  for (let at = 0; at < items.length; ) {
    const size = SIZES.find((candidate) => candidate <= items.length - at) ?? 1;
    pieces.push(items.slice(at, at + size));
    at += size;
  }
  return pieces;
}
