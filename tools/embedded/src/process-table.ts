/**
 * Reads the system's processes, to distinguish a live server from a dead one whose number was reused, and from a zombie that is
 * not reaped (PID 1 of many containers never reaps; `kill(pid, 0)` reports such a process as alive).
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { runCommand } from "./run-command.ts";

export interface ProcessInfo {
  readonly parent: number;
  /** Working directory; null where the system does not report it. */
  readonly directory: string | null;
  readonly command: string;
}

const HAS_PROC = process.platform === "linux";

/** The process of this number, or null when it has exited. */
export async function findProcess(pid: number): Promise<ProcessInfo | null> {
  return HAS_PROC ? fromProc(pid) : fromPs(pid);
}

/** Numbers of the processes that work in `directory`. Empty where the system has no /proc. */
export async function processesIn(directory: string): Promise<number[]> {
  if (!HAS_PROC) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const places = await Promise.all(pids.map((pid) => workingDirectory(pid)));
  return pids.filter((_, i) => places[i] === directory);
}

async function fromProc(pid: number): Promise<ProcessInfo | null> {
  const stat = await textOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name, in parentheses, may itself hold spaces and parentheses: fields are counted from the last one.
  const [state = "", parent = "0"] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === "Z" || state === "X") return null;
  const command = (await textOrNull(`/proc/${pid}/cmdline`)) ?? "";
  return { parent: Number(parent), directory: await workingDirectory(pid), command: command.replaceAll("\0", " ") };
}

async function fromPs(pid: number): Promise<ProcessInfo | null> {
  const args = ["-o", "stat=,ppid=,command=", "-p", String(pid)];
  const { code, output } = await runCommand({ file: "ps", args, env: { PATH: "/bin:/usr/bin" }, timeoutMs: 5_000 });
  const match = /^\s*(\S+)\s+(\d+)\s+(.*)/.exec(output);
  if (code !== 0 || match === null || match[1]?.startsWith("Z")) return null;
  return { parent: Number(match[2]), directory: null, command: match[3] ?? "" };
}

async function workingDirectory(pid: number): Promise<string | null> {
  return readlink(`/proc/${pid}/cwd`).catch(() => null);
}

async function textOrNull(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch(() => null);
}
