/** The result of a run as JSON, and as the tables that people read. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ClaimLine } from "./claim-growth.ts";
import { type Distribution, median } from "./distribution.ts";
import type { EndToEndResult } from "./end-to-end.ts";
import { type InspectRound, unwatchedRatio, watchedRatio } from "./inspect.ts";
import type { LatencyResult } from "./latency.ts";
import type { Machine } from "./machine.ts";
import type { MemoryResult } from "./memory.ts";
import type { CpuCost } from "./process-meter.ts";
import type { RawResult } from "./raw-round-trip.ts";

/** Runs that took place one after the other, so that they are comparable; null = left out. */
export interface Round {
  readonly raw: RawResult | null;
  /** mqtt.js as it is, but with one write to the socket per turn of the event loop, as acktor's own link does it. */
  readonly corked: RawResult | null;
  readonly endToEnd: EndToEndResult | null;
}

export interface BenchResult {
  readonly at: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly rounds: readonly Round[];
  readonly latency: LatencyResult | null;
  readonly memory: MemoryResult | null;
  readonly claim: readonly ClaimLine[] | null;
  readonly inspect: readonly InspectRound[] | null;
}

/** A measured value and what it must be; `met` null = not measured. */
export interface Target {
  readonly name: string;
  readonly value: string;
  readonly wanted: string;
  readonly met: boolean | null;
}

const MIB = 2 ** 20;
const LEAST_RATIO = 0.5;
const LEAST_WATCHED = 0.9;
const LEAST_UNWATCHED = 0.98;
const MOST_P50_MS = 8;
const MOST_P99_MS = 30;
const MOST_RSS = 256 * MIB;

/** Median of the rounds' own ratios: each end-to-end run is compared with the raw run of its round. */
export function ratioOf({ rounds }: BenchResult, yardstick: "raw" | "corked"): number {
  return median(
    rounds.flatMap(({ endToEnd, [yardstick]: raw }) =>
      endToEnd === null || raw === null ? [] : [endToEnd.messagesPerSecond / raw.messagesPerSecond],
    ),
  );
}

export function targetsOf(result: BenchResult): Target[] {
  const { latency, memory, inspect } = result;
  const peak = memory === null ? null : memory.intakePeak;
  return [
    least("end to end / raw", ratioOf(result, "raw"), LEAST_RATIO, 2),
    least("no viewer / no observer", inspect === null ? Number.NaN : unwatchedRatio(inspect), LEAST_UNWATCHED, 3),
    least("with a viewer / without", inspect === null ? Number.NaN : watchedRatio(inspect), LEAST_WATCHED, 3),
    most("latency p50, from outside", latency?.outside.p50, MOST_P50_MS, "ms"),
    most("latency p99, from outside", latency?.outside.p99, MOST_P99_MS, "ms"),
    most(
      `publisher's peak memory, ${memory?.waiting ?? 0} rows waiting`,
      peak === null ? undefined : peak / MIB,
      MOST_RSS / MIB,
      "MiB",
    ),
  ];
}

/** @param value NaN = not measured */
function least(name: string, value: number, limit: number, digits: number): Target {
  const measured = !Number.isNaN(value);
  const shown = measured ? value.toFixed(digits) : "-";
  return { name, value: shown, wanted: `≥ ${limit}`, met: measured ? value >= limit : null };
}

function most(name: string, value: number | undefined, limit: number, unit: string): Target {
  const shown = value === undefined ? "-" : `${value.toFixed(1)} ${unit}`;
  return { name, value: shown, wanted: `≤ ${limit} ${unit}`, met: value === undefined ? null : value <= limit };
}

/** Every fault of correctness; none means that each message arrived and was acknowledged, once. */
export function faultsOf({ rounds, latency, memory, inspect }: BenchResult): string[] {
  const faults = [
    ...rounds.map(({ endToEnd }) => endToEnd?.fault ?? null),
    latency?.fault ?? null,
    memory?.fault ?? null,
    ...(inspect ?? []).flatMap(({ absent, without, watched }) => [absent.fault, without.fault, watched.fault]),
  ];
  return faults.filter((fault) => fault !== null);
}

export function writeJson(folder: string, result: BenchResult): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${result.at.replace(/[:.]/g, "-")}.json`);
  const summary = {
    ratio: ratioOf(result, "raw"),
    ratioCorked: ratioOf(result, "corked"),
    targets: targetsOf(result),
    faults: faultsOf(result),
  };
  writeFileSync(file, `${JSON.stringify({ ...result, summary }, null, 2)}\n`);
  return file;
}

/** Everything as text. */
export function describeResult(result: BenchResult): string {
  const { machine, settings } = result;
  const head = [
    `machine   ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, load before ${machine.loadBefore}`,
    ...Object.entries(settings).map(([name, value]) => `${name.padEnd(9)} ${describeSetting(value)}`),
  ];
  const targets = targetsOf(result).map((t) => [
    t.name,
    t.value,
    t.wanted,
    t.met === null ? "-" : t.met ? "yes" : "NO",
  ]);
  const parts = [
    head.join("\n"),
    throughputTable(result),
    latencyTable(result.latency),
    memoryTable(result.memory),
    claimTable(result.claim),
    inspectTable(result.inspect),
    table(["target", "measured", "wanted", "met"], targets),
    ...faultsOf(result).map((fault) => `WRONG: ${fault}`),
  ];
  return parts.filter((part) => part !== null).join("\n\n");
}

function describeSetting(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, setting]) => `${name} ${setting}`)
    .join(", ");
}

const TREES = ["publisher", "acker", "postgres", "broker", "caller"] as const;

function throughputTable({ rounds }: BenchResult): string | null {
  if (rounds.every(({ raw, endToEnd }) => raw === null && endToEnd === null)) return null;
  const rows = rounds.flatMap(({ raw, corked, endToEnd }, i): string[][] => [
    ...(raw === null ? [] : [[`${i + 1} raw`, rate(raw), "", ...cpuCells(raw.cpu), "", ""]]),
    ...(corked === null ? [] : [[`${i + 1} raw, one write a turn`, rate(corked), "", ...cpuCells(corked.cpu), "", ""]]),
    ...(endToEnd === null ? [] : [[`${i + 1} end to end`, ...endToEndCells(endToEnd, raw)]]),
  ]);
  const columns = ["run", "msgs/s", "ratio", "others", "CPU µs/msg", ...TREES, "retries", "duplicates"];
  return table(columns, rows);
}

function endToEndCells(run: EndToEndResult, raw: RawResult | null): string[] {
  const { retries, duplicates } = run.tally;
  const ratio = raw === null ? "" : (run.messagesPerSecond / raw.messagesPerSecond).toFixed(2);
  return [rate(run), ratio, ...cpuCells(run.cpu), String(retries), String(duplicates)];
}

function rate({ messagesPerSecond }: { readonly messagesPerSecond: number }): string {
  return Math.round(messagesPerSecond).toString();
}

function cpuCells(cost: CpuCost | null): string[] {
  if (cost === null) return ["-", "-", ...TREES.map(() => "-")];
  const { usPerMessage, taken } = cost;
  // The caller is the benchmark itself: the sum leaves it out.
  const sum = Object.entries(usPerMessage).reduce((total, [name, us]) => total + (name === "caller" ? 0 : us), 0);
  return [
    `${(taken * 100).toFixed(0)} %`,
    sum.toFixed(0),
    ...TREES.map((name) => usPerMessage[name]?.toFixed(0) ?? ""),
  ];
}

function latencyTable(latency: LatencyResult | null): string | null {
  if (latency === null) return null;
  const row = (name: string, d: Distribution): string[] => [
    name,
    String(d.count),
    ...[d.p50, d.p99, d.max].map((ms) => ms.toFixed(1)),
  ];
  const { ratePerSecond, outside, byRows, intake, lateness, cpu } = latency;
  const times = table(
    [`latency at ${ratePerSecond} msgs/s, ms`, "count", "p50", "p99", "max"],
    [
      row("POST → acknowledged, from outside", outside),
      row("created → acknowledged, by the rows", byRows),
      row("POST → 201", intake),
      row("caller was late by", lateness),
    ],
  );
  const cost = table(["", "others", "CPU µs/msg", ...TREES], [["at this rate", ...cpuCells(cpu)]]);
  return `${times}\n\n${cost}`;
}

function memoryTable(memory: MemoryResult | null): string | null {
  if (memory === null) return null;
  const mib = (bytes: number | null): string => (bytes === null ? "-" : `${(bytes / MIB).toFixed(1)} MiB`);
  return table(
    [`publisher, ${memory.waiting} rows waiting`, "msgs/s", "now", "peak"],
    [
      ["broker away, intake", memory.intakePerSecond.toFixed(0), mib(memory.waitingRss), mib(memory.intakePeak)],
      ["broker back, drain", memory.drainPerSecond.toFixed(0), "", mib(memory.drainPeak)],
    ],
  );
}

function claimTable(claim: readonly ClaimLine[] | null): string | null {
  if (claim === null) return null;
  const rows = claim.map((line) => [line.case, line.medianMs.toFixed(1), line.cpuMs.toFixed(1)]);
  return table(["claim of 500 rows, ms", "median", "CPU"], rows);
}

function inspectTable(rounds: readonly InspectRound[] | null): string | null {
  if (rounds === null) return null;
  const beside = (run: EndToEndResult, yardstick: EndToEndResult): string =>
    (run.messagesPerSecond / yardstick.messagesPerSecond).toFixed(3);
  const rows = rounds.flatMap(({ absent, without, watched, seen }, i): string[][] => [
    [`${i + 1} no observer`, rate(absent), "", ...cpuCells(absent.cpu), "", ""],
    [`${i + 1} no viewer`, rate(without), beside(without, absent), ...cpuCells(without.cpu), "", ""],
    [
      `${i + 1} one viewer`,
      rate(watched),
      beside(watched, without),
      ...cpuCells(watched.cpu),
      String(seen.events),
      (seen.bytes / MIB).toFixed(1),
    ],
  ]);
  return table(["inspection", "msgs/s", "ratio", "others", "CPU µs/msg", ...TREES, "events", "MiB"], rows);
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(columns), rule, ...rows.map(line)].join("\n");
}
