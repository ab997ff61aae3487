/** The `acktor` command as people run it: a separate process, with separate standard output and standard error. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import type { TestContext } from "node:test";
import type { z } from "zod";
import { cleanUp } from "./cleanup.ts";
import { type Environment, environment, ROOT } from "./processes.ts";
import { until } from "./until.ts";

const PROGRAM = path.join(ROOT, "tools/cli/acktor.mjs");
const LIMIT_MS = 60_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for control characters
const ESCAPES = /[\u001b\u009b]/;

export interface Ended {
  /** Null when a signal ended the process. */
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when standard output matches. */
  says(pattern: RegExp): Promise<void>;
  /** Resolves when standard error matches. */
  complains(pattern: RegExp): Promise<void>;
}

export interface CliOptions {
  readonly env?: Environment;
  /** Standard input; nothing when absent. */
  readonly input?: string | Buffer;
  readonly cwd?: string;
}

/** Starts the command. It is killed at the end of the test, or after a minute. */
export function startCli(t: TestContext, args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: options.cwd ?? ROOT,
    env: { ...environment(), LANG: "C", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  cleanUp(t, () => child.kill("SIGKILL"));
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  child.stdin.on("error", () => "a command that does not read its input may end before it is written");
  child.stdin.end(options.input ?? "");
  const ended = new Promise<Ended>((resolve) => child.once("close", (exit) => resolve({ exit, out, err })));
  const becomes = async (text: () => string, pattern: RegExp): Promise<void> => {
    await until(() => pattern.test(text()) || child.exitCode !== null, 20_000, `${pattern}`);
    assert.match(text(), pattern, out + err);
  };
  return {
    child,
    ended,
    says: (pattern) => becomes(() => out, pattern),
    complains: (pattern) => becomes(() => err, pattern),
  };
}

/** Runs the command until it exits. Its outputs are pipes, so neither may contain an escape sequence. */
export async function runCli(t: TestContext, args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  const ended = await startCli(t, args, options).ended;
  assert.doesNotMatch(ended.out + ended.err, ESCAPES, args.join(" "));
  return ended;
}

/** The output of a command with `--json`, parsed and validated by the command's schema. */
export function readOutput<T>(schema: z.ZodType<T>, { out, err }: Ended): T {
  assert.equal(out.trim().split("\n").length, 1, `one line: ${out}${err}`);
  return schema.parse(JSON.parse(out));
}
