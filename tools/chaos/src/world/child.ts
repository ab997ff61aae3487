/**
 * A process of the lab.
 *
 * Invariants:
 *  1. It ends with the lab: by `stop`, by the lab's exit, or by the kernel where `setpriv` is (the lab was killed).
 *  2. The last of what it says is kept, bounded; lines that only an error of its own says are kept beside it.
 *  3. A signal goes to its number only while it runs.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

export interface Child {
  readonly pid: number;
  readonly exited: Promise<void>;
  running(): boolean;
  /** How it ended: a signal's name or `exit <code>`; null while it runs. */
  ended(): string | null;
  /** Last of what it said. */
  tail(): string;
  /** Lines that an uncaught error or a broken role left, at most 100. */
  ownErrors(): readonly string[];
  signal(name: NodeJS.Signals): boolean;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL after 10 s. Twice is fine. */
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
/** What a fault of the world never makes a service say (I9: 0 uncaught errors). */
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
    tail = (tail + text).slice(-TAIL_CHARACTERS);
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
    signal: (name) => end === null && spawned.kill(name),
    kill: () => finish("SIGKILL"),
    stop: () => finish("SIGTERM"),
  };
  live.add(child);
  return child;
}

/** Who starts it with `setpriv` is succeeded by it: the number stays the same. */
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

/** Debian keeps servers where an ordinary user's PATH does not look. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/** The path of a program, or null where it is not installed. */
export function findProgram(name: string): string | null {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  return (
    [...folders, ...MORE_FOLDERS].map((folder) => path.join(folder, name)).find((file) => existsSync(file)) ?? null
  );
}
