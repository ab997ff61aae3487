/**
 * A child process of the lab. It ends with the lab: by `stop`, by the lab's exit, or, if `setpriv` is installed, by the
 * kernel when the lab is killed.
 *
 * Invariants:
 *  CHILD-1. The end of the output is kept, within a limit. Lines about errors of the program itself are kept separately.
 *  CHILD-2. A signal is sent to the pid only while the process runs.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

export interface Child {
  readonly pid: number;
  readonly exited: Promise<void>;
  running(): boolean;
  /** How the process ended: the name of a signal or `exit <code>`; null while it runs. */
  ended(): string | null;
  /** The end of its output. */
  tail(): string;
  /** Lines about uncaught errors and broken roles, at most 100. */
  ownErrors(): readonly string[];
  signal(name: NodeJS.Signals): boolean;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after 10 s. A second call has no effect. */
  stop(): Promise<void>;
}

export interface ChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const TAIL_CHARACTERS = 65_536;
const MOST_OWN_ERRORS = 100;
const STOP_LIMIT_MS = 10_000;
/** What a service never prints because of an injected fault (I9: 0 uncaught errors). */
const OWN_ERROR = /uncaught|unhandled|(Type|Reference|Range|Syntax)Error|ended by an error|a role ended/i;
const PASSED_ON = ["PATH", "HOME", "TMPDIR", "LANG", "TEST_RUN_ID"];

const live = new Set<Child>();
process.once("exit", () => {
  for (const child of live) child.signal("SIGKILL");
});

export function startChild(options: ChildOptions): Child {
  const [file, args] = withDeathSignal(options.file, options.args);
  const spawned = spawn(file, args, {
    cwd: options.cwd,
    env: { ...passedOn(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let tail = "";
  let end: string | null = null;
  const ownErrors: string[] = [];
  const hear = (chunk: Buffer): void => {
    const text = chunk.toString("utf8");
    tail = (tail + text).slice(-TAIL_CHARACTERS); // CHILD-1
    for (const line of text.split("\n")) {
      if (OWN_ERROR.test(line) && ownErrors.length < MOST_OWN_ERRORS) ownErrors.push(line.slice(0, 1_000));
    }
  };
  spawned.stdout.on("data", hear);
  spawned.stderr.on("data", hear);
  const exited = new Promise<void>((resolve) => {
    const note = (how: string): void => {
      end ??= how;
      live.delete(child);
      resolve();
    };
    spawned.once("exit", (code, signal) => note(signal ?? `exit ${code}`));
    spawned.once("error", (error) => note(error.message));
  });
  const finish = async (first: NodeJS.Signals): Promise<void> => {
    if (end !== null) return;
    spawned.kill(first);
    const timer = setTimeout(() => spawned.kill("SIGKILL"), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  };
  const child: Child = {
    pid: spawned.pid ?? 0,
    exited,
    running: () => end === null,
    ended: () => end,
    tail: () => tail,
    ownErrors: () => ownErrors,
    signal: (name) => end === null && spawned.kill(name), // CHILD-2
    kill: () => finish("SIGKILL"),
    stop: () => finish("SIGTERM"),
  };
  live.add(child);
  return child;
}

/** `setpriv` replaces itself by the program, so the pid stays the same. */
function withDeathSignal(file: string, args: readonly string[]): [string, string[]] {
  const setpriv = process.platform === "linux" ? findProgram("setpriv") : null;
  return setpriv === null ? [file, [...args]] : [setpriv, ["--pdeathsig", "KILL", file, ...args]];
}

function passedOn(): Record<string, string> {
  const found = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}

/** Debian installs servers in folders that are not in the PATH of an ordinary user. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/** The path of a program, or null when it is not installed. */
export function findProgram(name: string): string | null {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  return (
    [...folders, ...MORE_FOLDERS].map((folder) => path.join(folder, name)).find((file) => existsSync(file)) ?? null
  );
}
