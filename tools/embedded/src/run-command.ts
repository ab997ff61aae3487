/**
 * Runs one short command to its end.
 *
 * Invariants:
 *  COMMAND-1. The promise never rejects, and resolves at the latest at `timeoutMs` or when `signal` aborts.
 *  COMMAND-2. Only the last 16 KiB of its output are kept.
 */
import { spawn } from "node:child_process";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CommandResult {
  /** Exit code; null when the command was killed or could not be started. */
  readonly code: number | null;
  /** The end of standard output and standard error, as they came. */
  readonly output: string;
}

const OUTPUT_LIMIT = 16_384;

export function runCommand(command: Command): Promise<CommandResult> {
  const { file, args, timeoutMs, signal, env, ...where } = command;
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve({ code: null, output: "stopped" });
    const child = spawn(file, args, { ...where, env: { ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] }); // outside this process group: Ctrl-C does not reach it
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-OUTPUT_LIMIT); // COMMAND-2
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const kill = (): void => {
      child.kill("SIGTERM");
    };
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs); // COMMAND-1
    signal?.addEventListener("abort", kill, { once: true });
    const end = (code: number | null): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", kill);
      resolve({ code, output });
    };
    child.once("error", (error) => {
      output += error.message;
      end(null);
    });
    child.once("close", end);
  });
}
