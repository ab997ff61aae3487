/**
 * Runs one short command to its end.
 *
 * Invariants:
 *  1. It ends: by itself, at `timeoutMs`, or when `signal` aborts. The promise never rejects.
 *  2. It is not in our process group, so Ctrl-C on the terminal reaches us alone and we decide.
 *  3. Output is kept in part only: its last 16 KiB.
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
    const child = spawn(file, args, { ...where, env: { ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString("utf8")).slice(-OUTPUT_LIMIT);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const kill = (): void => {
      child.kill("SIGTERM");
    };
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
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
