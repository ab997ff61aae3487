/**
 * A wall clock that somebody sets while the process runs: `Date` is as many milliseconds off as a file says. The monotonic
 * clock goes on, as it does when an operator or NTP sets the time of a machine.
 *
 * Invariant: it counts who read the wrong time; a clock that nobody looked at has tested nothing.
 */
import { appendFileSync, readFileSync } from "node:fs";

const LOOK_EVERY_MS = 100;

/**
 * @param file holds the offset in milliseconds; `<file>.reads` gets a line with the number of wrong readings, now and then
 * @returns sets it right for good
 */
export function bendClock(file: string): () => void {
  const TrueDate = Date;
  const trueNow = TrueDate.now;
  let offsetMs = 0;
  let reads = 0;
  const now = (): number => {
    if (offsetMs !== 0) reads++;
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

/** 0 where there is no such file, or while it is being written. */
function readOffset(file: string): number {
  try {
    return Number(readFileSync(file, "utf8")) || 0;
  } catch {
    return 0; // nobody has set the clock yet
  }
}

/** How many wrong readings were noted so far. */
export function countReads(file: string): number {
  try {
    return readFileSync(`${file}.reads`, "utf8")
      .split("\n")
      .reduce((sum, line) => sum + Number(line), 0);
  } catch {
    return 0; // nobody has read a wrong time yet
  }
}
