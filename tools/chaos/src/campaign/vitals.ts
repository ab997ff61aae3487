/** Judges the vital signs that the processes of a service noted: event loop, heap, sockets (I7). Pure, except `readVitals`. */
import { readFileSync } from "node:fs";
import type { Entry } from "../workload/history.ts";
import { DELAY_BUCKETS_MS, type VitalSigns } from "../world/vitals-hook.ts";

export interface Vitals {
  /** Delays of the event loop in all processes, by DELAY_BUCKETS_MS. */
  readonly delays: readonly number[];
  /** Of the last process: milliseconds since its start, bytes after a garbage collection. */
  readonly heap: readonly (readonly [up: number, bytes: number])[];
  /** Of the last process: the most sockets in the first and in the second half of its life. */
  readonly sockets: readonly [number, number];
}

/** The heap grows in this period, because code is compiled and caches are filled. */
const WARM_UP_MS = 60_000;
/** A slope over a shorter period means nothing. */
const LEAST_SPAN_MS = 90_000;
const P99_LIMIT_MS = 100;
/** MB a minute. */
const SLOPE_LIMIT = 1;
/** Callers keep a few connections open. */
const SOCKET_SLACK = 4;
const BYTES_PER_MB = 1_048_576;

export function readVitals(file: string): Vitals {
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return sumUp(lines.map((line) => JSON.parse(line) as VitalSigns));
}

export function sumUp(signs: readonly VitalSigns[]): Vitals {
  const delays = DELAY_BUCKETS_MS.map((_, i) => signs.reduce((sum, sign) => sum + (sign.delays[i] ?? 0), 0));
  const lastPid = signs.at(-1)?.pid;
  const last = signs.filter(({ pid }) => pid === lastPid);
  const heap = last.flatMap(({ up, heap }) => (heap === null ? [] : [[up, heap] as const]));
  const half = Math.ceil(last.length / 2);
  const mostOf = (part: readonly VitalSigns[]): number => Math.max(0, ...part.map(({ sockets }) => sockets));
  return { delays, heap, sockets: [mostOf(last.slice(0, half)), mostOf(last.slice(half))] };
}

/** Upper bound of the bucket in which the 99th percentile lies, in milliseconds; null without notes. */
export function p99BelowMs(delays: readonly number[]): number | null {
  const all = delays.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let seen = 0;
  for (const [i, count] of delays.entries()) {
    seen += count;
    if (seen >= 0.99 * all) return DELAY_BUCKETS_MS[i + 1] ?? Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

export interface VitalFindings {
  readonly lines: readonly string[];
  readonly wrong: readonly string[];
}

/** Judges I7 for every service that noted its vital signs, and for the highest values that the observer saw. */
export function judgeVitals(entries: readonly Entry[]): VitalFindings {
  const lines: string[] = [];
  const wrong: string[] = [];
  for (const entry of entries) {
    if (entry.op === "peak")
      lines.push(`${"at most".padEnd(13)} ${entry.value} ${entry.what} (${entry.limit} allowed)`);
    if (entry.op !== "vitals") continue;
    const p99Ms = p99BelowMs(entry.delays);
    const slope = heapSlope(entry.heap);
    const [before, after] = entry.sockets;
    const grown = slope === null ? "heap not judged: no process ran long enough" : `heap ${slope.toFixed(2)} MB/min`;
    const sockets = slope === null ? "" : `, sockets ${before} → ${after}`;
    lines.push(`${entry.service.padEnd(13)} loop delay p99 below ${p99Ms} ms, ${grown}${sockets}`);
    if (p99Ms === null || p99Ms > P99_LIMIT_MS) wrong.push(`${entry.service}: loop delay p99 is not below 100 ms`);
    if (slope !== null && slope >= SLOPE_LIMIT) wrong.push(`${entry.service}: its heap grows by ${slope} MB/min`);
    if (slope !== null && after > before + SOCKET_SLACK) wrong.push(`${entry.service}: sockets ${before} → ${after}`);
  }
  return { lines, wrong };
}

/** The slope by least squares, in MB a minute, after the warm-up; null when the process ran too short. */
export function heapSlope(heap: Vitals["heap"]): number | null {
  const points = heap.filter(([up]) => up >= WARM_UP_MS);
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || last[0] - first[0] < LEAST_SPAN_MS) return null;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const minutes = mean(points.map(([up]) => up / 60_000));
  const size = mean(points.map(([, bytes]) => bytes / BYTES_PER_MB));
  const covariance = points.map(([up, bytes]) => (up / 60_000 - minutes) * (bytes / BYTES_PER_MB - size));
  const variance = points.map(([up]) => (up / 60_000 - minutes) ** 2);
  return mean(covariance) / mean(variance);
}
