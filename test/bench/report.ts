/** The result of a run as JSON, and as the tables that people read. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Distribution, median } from "./distribution.ts";
import type { EndToEndResult } from "./end-to-end.ts";
import type { LatencyResult } from "./latency.ts";
import type { Machine } from "./machine.ts";
import type { MemoryResult } from "./memory.ts";
import type { CpuCost } from "./process-meter.ts";
import type { RawResult } from "./raw-round-trip.ts";

export interface BenchResult {
  readonly at: string;
  readonly commit: string | null;
  readonly machine: Machine;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly raw: readonly RawResult[];
  readonly endToEnd: readonly EndToEndResult[];
  readonly latency: LatencyResult | null;
  readonly memory: MemoryResult | null;
  readonly claim: unknown;
}

/** A measured value beside what it must be; `met` null = not measured. */
export interface Target {
  readonly name: string;
  readonly value: string;
  readonly wanted: string;
  readonly met: boolean | null;
}

const MIB = 2 ** 20;
const LEAST_RATIO = 0.5;
const MOST_P50_MS = 8;
const MOST_P99_MS = 30;
const MOST_RSS = 256 * MIB;

/** Median of the rounds' own ratios: each end-to-end run is compared with the raw run right before it. */
export function ratioOf({ raw, endToEnd }: BenchResult): number {
  const ratios = endToEnd.flatMap((run, i) => {
    const beside = raw[i];
    return beside === undefined ? [] : [run.messagesPerSecond / beside.messagesPerSecond];
  });
  return median(ratios);
}

export function targetsOf(result: BenchResult): Target[] {
  const { latency, memory } = result;
  const ratio = ratioOf(result);
  const peak = memory === null ? null : memory.intakePeak;
  return [
    {
      name: "end to end / raw",
      value: Number.isNaN(ratio) ? "-" : ratio.toFixed(2),
      wanted: `≥ ${LEAST_RATIO}`,
      met: Number.isNaN(ratio) ? null : ratio >= LEAST_RATIO,
    },
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

function most(name: string, value: number | undefined, limit: number, unit: string): Target {
  const shown = value === undefined ? "-" : `${value.toFixed(1)} ${unit}`;
  return { name, value: shown, wanted: `≤ ${limit} ${unit}`, met: value === undefined ? null : value <= limit };
}

/** Every fault of correctness; none means that each message arrived and was acknowledged, once. */
export function faultsOf({ endToEnd, latency, memory }: BenchResult): string[] {
  const faults = [...endToEnd.map((run) => run.fault), latency?.fault ?? null, memory?.fault ?? null];
  return faults.filter((fault) => fault !== null);
}

export function writeJson(folder: string, result: BenchResult): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${result.at.replace(/[:.]/g, "-")}.json`);
  const summary = { ratio: ratioOf(result), targets: targetsOf(result), faults: faultsOf(result) };
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

function throughputTable({ raw, endToEnd }: BenchResult): string | null {
  if (raw.length + endToEnd.length === 0) return null;
  const rows: string[][] = [];
  for (let i = 0; i < Math.max(raw.length, endToEnd.length); i++) {
    const [rawRun, run] = [raw[i], endToEnd[i]];
    if (rawRun !== undefined) rows.push([`${i + 1} raw`, rate(rawRun), "", ...cpuCells(rawRun.cpu), "", ""]);
    if (run === undefined) continue;
    const share = rawRun === undefined ? "" : (run.messagesPerSecond / rawRun.messagesPerSecond).toFixed(2);
    const { retries, duplicates } = run.tally;
    rows.push([`${i + 1} end to end`, rate(run), share, ...cpuCells(run.cpu), String(retries), String(duplicates)]);
  }
  const columns = ["run", "msgs/s", "ratio", "others", "CPU µs/msg", ...TREES, "retries", "duplicates"];
  return table(columns, rows);
}

function rate({ messagesPerSecond }: { readonly messagesPerSecond: number }): string {
  return Math.round(messagesPerSecond).toString();
}

function cpuCells(cost: CpuCost | null): string[] {
  if (cost === null) return ["-", "-", ...TREES.map(() => "-")];
  const { usPerMessage, taken } = cost;
  // The caller is the benchmark itself: it stands beside the sum, not in it.
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
  return table(
    [`latency at ${latency.ratePerSecond} msgs/s, ms`, "count", "p50", "p99", "max"],
    [
      row("POST → acknowledged, from outside", latency.outside),
      row("created → acknowledged, by the rows", latency.byRows),
      row("POST → 201", latency.intake),
      row("caller was late by", latency.lateness),
    ],
  );
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

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(columns), rule, ...rows.map(line)].join("\n");
}
