/**
 * The repository's programs, as separate processes.
 *
 * Invariants:
 *  1. A process that a test started is dead when the test has ended, also when the test failed.
 *  2. The last MiB of its output is kept, and is shown when a wait for it fails.
 *  3. It gets the environment it was given and the system's few, nothing of the tests' own.
 */
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { findProcess } from "@acktor/embedded/process-table";
import { cleanUp } from "./cleanup.ts";
import { anyPort } from "./ports.ts";
import { until } from "./until.ts";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** The variables of the tests' environment that a program needs. TEST_RUN_ID lets the runner find leftover processes. */
const PASSED_ON = ["PATH", "HOME", "TMPDIR", "LANG", "TEST_RUN_ID"];
const OUTPUT_LIMIT = 1_048_576;
const STOP_LIMIT_MS = 15_000;

export type Environment = Readonly<Record<string, string>>;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Running {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Standard output and standard error so far. */
  output(): string;
  /** Resolves with the first match of `pattern` in the output; throws when the process ends without it. */
  says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after 15 s. The exit of a SIGKILL fails the test. */
  stop(): Promise<Exit>;
  /** SIGKILL. */
  kill(): Promise<Exit>;
}

export interface RunOptions {
  readonly env?: Environment;
  readonly cwd?: string;
  /** Runs in its own process group, so that a signal to `-pid` reaches every process that a terminal's Ctrl-C reaches. */
  readonly group?: boolean;
}

/** The variables that any program needs, overridden by `env`. */
export function environment(env: Environment = {}): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(passed), ...env };
}

/** Starts a program; it is killed at the end of the test if it still runs. */
export function run(t: TestContext, file: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(file, args, {
    cwd: options.cwd ?? ROOT,
    env: environment(options.env),
    detached: options.group ?? false,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-OUTPUT_LIMIT);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  let exit: Exit | null = null;
  const exited = new Promise<Exit>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      exit = { code, signal };
      resolve(exit);
    };
    child.once("exit", end);
    child.once("error", (error) => {
      output += error.message;
      end(null, null);
    });
  });
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    const result = await exited;
    clearTimeout(timer);
    return result;
  };
  cleanUp(t, () => end("SIGKILL"));
  return {
    pid: child.pid ?? 0,
    exited,
    output: () => output,
    signal: (name) => void child.kill(name),
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    async says(pattern, timeoutMs = 30_000) {
      const look = (): RegExpExecArray | null => {
        const match = pattern.exec(output);
        if (match === null && exit !== null) throw new Error(`ended without ${pattern}: ${exit.code}\n${output}`);
        return match;
      };
      return until(look, timeoutMs, `${pattern}`).catch((error: Error) => {
        throw new Error(`${error.message}\n${output}`);
      });
    },
  };
}

export interface Service extends Running {
  /** http://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  /** Resolves when /readyz answers 200. */
  ready(timeoutMs?: number): Promise<void>;
}

/**
 * Starts a built service on a port of its own and waits until it is alive (`/livez`).
 * @param env DATABASE_URL, MQTT_URL and other settings of the service; HTTP_PORT where the port matters
 */
export async function startService(t: TestContext, name: "publisher" | "acker", env: Environment): Promise<Service> {
  const port = Number(env["HTTP_PORT"] ?? (await anyPort()));
  const program = path.join(ROOT, "services", name, "dist/main.js");
  const running = run(t, process.execPath, [program], { env: { LOG_LEVEL: "warn", ...env, HTTP_PORT: String(port) } });
  const url = `http://127.0.0.1:${port}`;
  const answers = async (route: string): Promise<boolean> => {
    if (!(await isAlive(running.pid))) throw new Error(`${name} has ended:\n${running.output()}`);
    return fetch(`${url}${route}`).then(
      (response) => response.ok,
      () => false,
    );
  };
  const waitFor = async (route: string, timeoutMs: number): Promise<void> => {
    await until(() => answers(route), timeoutMs, `${name} ${route}`).catch((error: Error) => {
      throw new Error(`${error.message}\n${running.output()}`);
    });
  };
  await waitFor("/livez", 15_000);
  return { ...running, url, port, ready: (timeoutMs = 15_000) => waitFor("/readyz", timeoutMs) };
}

/** True while the process can still run; false for a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  return (await findProcess(pid)) !== null;
}

/**
 * Ids of live processes whose working directory is `folder` or whose command line names it. Empty without /proc.
 */
export async function processesUnder(folder: string): Promise<number[]> {
  if (process.platform !== "linux") return [];
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const infos = await Promise.all(pids.map((pid) => findProcess(pid)));
  return pids.filter((_, i) => infos[i]?.command.includes(folder) || infos[i]?.directory?.startsWith(folder));
}
