/**
 * Notes the vital signs of a process from inside: how late its timers are, its heap after a garbage collection, its sockets
 * (I7).
 *
 * The time in which the process waited for a processor is subtracted from a delay: on a small machine the kernel causes it,
 * while other processes start and die. The rest is the time in which the process itself did not run its timers.
 *
 * The hook costs little: a timer of 20 ms, a line a second, a garbage collection each 10 s. None of them keeps the process
 * alive.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Lower bounds of the buckets into which delays of the event loop are counted, milliseconds. */
export const DELAY_BUCKETS_MS = [0, 5, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** A line of the file. */
export interface VitalSigns {
  readonly pid: number;
  /** Milliseconds since its start. */
  readonly up: number;
  readonly delays: readonly number[];
  readonly sockets: number;
  /** Bytes after a garbage collection; null when there was none. */
  readonly heap: number | null;
}

const TICK_MS = 20;
const LINE_EVERY_MS = 1_000;
const COLLECT_EVERY_LINES = 10;
/** In this period the process loads and compiles code, so its delays are not counted. */
const START_MS = 2_000;

/** Starts immediately. @returns a function that stops the notes */
export function noteVitals(file: string): () => void {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  let delays = DELAY_BUCKETS_MS.map(() => 0);
  let expected = performance.now() + TICK_MS;
  let waited = waitedForProcessorMs();
  const ticks = setInterval(() => {
    const [now, waitedNow] = [performance.now(), waitedForProcessorMs()];
    if (now > START_MS) count(delays, Math.max(0, now - expected - (waitedNow - waited)));
    expected = now + TICK_MS;
    waited = waitedNow;
  }, TICK_MS).unref();
  let lines = 0;
  const notes = setInterval(() => {
    lines++;
    const collects = lines % COLLECT_EVERY_LINES === 0;
    if (collects) collectGarbage();
    const signs: VitalSigns = {
      pid: process.pid,
      up: Math.round(performance.now()),
      delays,
      sockets: process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
      heap: collects ? process.memoryUsage().heapUsed : null,
    };
    appendFileSync(file, `${JSON.stringify(signs)}\n`);
    delays = DELAY_BUCKETS_MS.map(() => 0);
  }, LINE_EVERY_MS).unref();
  return () => {
    clearInterval(ticks);
    clearInterval(notes);
  };
}

/** Waiting time of the main thread since its start; 0 when the kernel does not report it (proc(5), schedstat). */
function waitedForProcessorMs(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1_000_000;
  } catch {
    return 0;
  }
}

function count(delays: number[], lateMs: number): void {
  const bucket = DELAY_BUCKETS_MS.findLastIndex((bound) => lateMs >= bound);
  delays[bucket] = (delays[bucket] ?? 0) + 1;
}
