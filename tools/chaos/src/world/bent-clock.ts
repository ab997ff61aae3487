/**
 * A wall clock that the lab sets while the process runs: a file holds the offset of `Date` in milliseconds. The monotonic
 * clock does not change, as when an operator or NTP sets the time of a machine.
 *
 * Invariants:
 *  BENT_CLOCK-1. Each reading of the wrong time is counted. Without a reading the fault has tested nothing.
 */
import { appendFileSync, readFileSync } from "node:fs";

const LOOK_EVERY_MS = 100;

/**
 * @param file holds the offset in milliseconds; `<file>.reads` gets lines with the number of wrong readings
 * @returns a function that restores the true clock permanently
 */
export function bendClock(file: string): () => void {
  const TrueDate = Date;
  const trueNow = TrueDate.now;
  let offsetMs = 0;
  let reads = 0;
  const now = (): number => {
    if (offsetMs !== 0) reads++; // BENT_CLOCK-1
    return trueNow() + offsetMs;
  };
  globalThis.Date = new Proxy(TrueDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new TrueDate(now()).toString(),
    get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
  });
  const look = (): void => {
    offsetMs = readOffset(file);
    if (reads > 0) appendFileSync(`${file}.reads`, `${reads}\n`);
    reads = 0;
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return () => {
    clearInterval(timer);
    look();
    globalThis.Date = TrueDate;
  };
}

/** 0 when there is no such file, or while the lab writes it. */
function readOffset(file: string): number {
  try {
    return Number(readFileSync(file, "utf8")) || 0;
  } catch {
    return 0; // The clock was not set yet.
  }
}

/** How many wrong readings were noted so far. */
export function countReads(file: string): number {
  try {
    return readFileSync(`${file}.reads`, "utf8")
      .split("\n")
      .reduce((sum, line) => sum + Number(line), 0);
  } catch {
    return 0; // There was no wrong reading yet.
  }
}
