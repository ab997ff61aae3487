/**
 * CPU time and memory of processes, from /proc (Linux; elsewhere everything is null).
 *
 * A tree's CPU time includes the children that have ended and were waited for: PostgreSQL's workers come and go.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Microseconds of a clock tick, the unit of /proc/<pid>/stat. */
const TICK_US = readTick();

interface Times {
  readonly parent: number;
  /** Clock ticks in user and system mode, its own and of children that were waited for. */
  readonly own: number;
  readonly reaped: number;
}

/** Roots of process trees by the name under which they are reported. */
export type Roots = Readonly<Record<string, number>>;

export type CpuReading = Readonly<Record<string, number>>;

/** CPU microseconds used so far by each tree, or null where the system does not tell. */
function readCpu(roots: Roots): CpuReading | null {
  if (TICK_US === null) return null;
  const times = readAll();
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of times) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const rootPids = new Set(Object.values(roots));
  const sum = (pid: number): number => {
    const own = times.get(pid);
    if (own === undefined) return 0;
    // Another root below this one is reported under its own name.
    const below = (children.get(pid) ?? []).filter((child) => !rootPids.has(child));
    return own.own + own.reaped + below.reduce((total, child) => total + sum(child), 0);
  };
  return Object.fromEntries(Object.entries(roots).map(([name, pid]) => [name, sum(pid) * TICK_US]));
}

/** What a run cost, and how much of the machine it did not have. */
export interface CpuCost {
  /** CPU microseconds per message, by process. */
  readonly usPerMessage: CpuReading;
  /** Share of all cores' time that other processes used, or that the host gave to other machines: 0 to 1. */
  readonly taken: number;
}

/** Measures the processes below `roots` until the function that it returns is called. */
export function meterCpu(roots: Roots): (messages: number) => CpuCost | null {
  const before = readCpu(roots);
  const machineBefore = readMachine();
  return (messages) => {
    const after = readCpu(roots);
    const machineAfter = readMachine();
    if (before === null || after === null) return null;
    const spent = Object.entries(after).map(([name, us]) => [name, us - (before[name] ?? 0)] as const);
    const ours = spent.reduce((total, [, us]) => total + us, 0);
    const busy = machineAfter.busyUs - machineBefore.busyUs;
    const all = machineAfter.allUs - machineBefore.allUs;
    return {
      usPerMessage: Object.fromEntries(spent.map(([name, us]) => [name, us / messages])),
      taken: Math.max(0, (busy - ours) / Math.max(1, all)),
    };
  };
}

/** Bytes of memory that a process holds now, and held at most, or null where the system does not tell. */
export function readMemory(pid: number): { readonly now: number; readonly peak: number } | null {
  const text = textOf(`/proc/${pid}/status`);
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text ?? "")?.[1]);
  return text === null ? null : { now: kib("VmRSS") * 1024, peak: kib("VmHWM") * 1024 };
}

/** Time of all cores together since the system began; busy includes what the host has stolen. */
function readMachine(): { readonly busyUs: number; readonly allUs: number } {
  const line = textOf("/proc/stat")?.split("\n", 1)[0] ?? "";
  // user nice system idle iowait irq softirq steal; guest time is part of user time.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((total, value) => total + value, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busyUs: (all - idle) * (TICK_US ?? 0), allUs: all * (TICK_US ?? 0) };
}

function readAll(): Map<number, Times> {
  const all = new Map<number, Times>();
  for (const name of readdirSync("/proc")) {
    const text = /^\d+$/.test(name) ? textOf(`/proc/${name}/stat`) : null;
    if (text === null) continue;
    // The name, in parentheses, may itself hold spaces and parentheses: fields are counted from the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const field = (index: number): number => Number(fields[index] ?? 0);
    all.set(Number(name), { parent: field(1), own: field(11) + field(12), reaped: field(13) + field(14) });
  }
  return all;
}

/** The text of a file that vanishes with its process. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
}

function readTick(): number | null {
  if (process.platform !== "linux") return null;
  return 1_000_000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
}
