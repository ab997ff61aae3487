/** A process of the benchmark: its output goes to a file, its end is a value, and it ends with its scope, or with us. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Scope } from "./scope.ts";

const STOP_LIMIT_MS = 15_000;
const TAIL_BYTES = 4_000;

export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Null while it runs; then how it ended. */
  ended(): string | null;
  /** Last of what it said. */
  tail(): string;
  /** SIGTERM, and SIGKILL after 15 s; resolves with how it ended. A second call is allowed. */
  stop(): Promise<string>;
}

export interface ChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** A channel for messages. */
  readonly ipc?: boolean;
}

export function startChild(scope: Scope, options: ChildOptions): Child {
  const log = openSync(options.logFile, "w");
  const child = spawn(options.file, options.args, {
    env: options.env,
    stdio: ["ignore", log, log, ...(options.ipc ? (["ipc"] as const) : [])],
  });
  closeSync(log);
  let end: string | null = null;
  const onOurExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onOurExit);
  const exited = new Promise<string>((resolve) => {
    const note = (how: string): void => {
      end ??= how;
      process.off("exit", onOurExit);
      resolve(end);
    };
    child.once("exit", (code, signal) => note(signal ?? `exit ${code}`));
    child.once("error", (error) => note(error.message));
  });
  const stop = async (): Promise<string> => {
    if (end !== null) return end;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    const how = await exited;
    clearTimeout(timer);
    return how;
  };
  scope.defer(stop);
  const tail = (): string => readFileSync(options.logFile, "utf8").slice(-TAIL_BYTES);
  return { pid: child.pid ?? 0, process: child, ended: () => end, tail, stop };
}

/** The few variables that a program needs, and `env` on top: nothing of ours leaks into what is measured. */
export function environment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = "", HOME = "/" } = process.env;
  return { PATH, HOME, ...env };
}
