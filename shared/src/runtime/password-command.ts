/**
 * A program that makes the password: its first line on standard output. It runs without a shell.
 *
 * Invariants:
 *  PASSWORD_COMMAND-1. It runs for at most `LIMIT_MS`, with at most `MOST_BYTES` of output, and one at a time.
 *  PASSWORD_COMMAND-2. Its output is in no log and no fault.
 *  PASSWORD_COMMAND-3. When its time is over, it is stopped or this process exits, what it started ends with it: it has its own process
 *                      group. Windows has no groups: there the program itself ends.
 */
import { type ChildProcess, spawn } from "node:child_process";

const LIMIT_MS = 10_000;
const MOST_BYTES = 64 * 1_024;

export type MadePassword =
  | { readonly ok: true; readonly password: string }
  | { readonly ok: false; readonly fault: string };

/** The words of a command: separated by spaces; a word in double quotes may contain them. A string: what is wrong. */
export function readCommand(text: string): readonly string[] | string {
  const words = text.match(/"[^"]*"|[^\s"]+/g) ?? [];
  if (words.join("").length !== text.replace(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, "").length) return "has an open quote";
  return words.length === 0 ? "names no program" : words.map((word) => word.replace(/^"|"$/g, ""));
}

export class PasswordCommand {
  readonly #words: readonly string[];
  readonly #limitMs: number;
  #running: CommandRun | null = null;

  /** @param limitMs milliseconds after which it is ended */
  constructor(words: readonly string[], limitMs = LIMIT_MS) {
    this.#words = words;
    this.#limitMs = limitMs;
  }

  /** Runs it, or joins the run that is under way. Never rejects. */
  run(): Promise<MadePassword> {
    const running = this.#running ?? new CommandRun(this.#words, this.#limitMs);
    this.#running = running;
    return running.made.finally(() => {
      if (this.#running === running) this.#running = null;
    });
  }

  /** Ends the run that is under way. May be called twice. */
  stop(): void {
    this.#running?.end("was stopped");
    this.#running = null;
  }
}

/** One run. */
class CommandRun {
  readonly made: Promise<MadePassword>;
  readonly #program: string;
  #child: ChildProcess | null = null;
  #settle: (made: MadePassword) => void = () => undefined;
  #timer: NodeJS.Timeout | null = null;
  #output = Buffer.alloc(0);
  readonly #kill = (): void => this.#killGroup();

  constructor([program = "", ...args]: readonly string[], limitMs: number) {
    this.#program = program;
    this.made = new Promise((resolve) => {
      this.#settle = resolve;
    });
    try {
      this.#start(args, limitMs);
    } catch (error) {
      this.end(`failed (${codeOf(error)})`);
    }
  }

  /** Ends it with this fault, unless it has ended. */
  end(why: string): void {
    this.#killGroup();
    this.#ended({ ok: false, fault: `${this.#program} ${why}` }); // PASSWORD_COMMAND-2
  }

  #start(args: readonly string[], limitMs: number): void {
    const detached = process.platform !== "win32"; // PASSWORD_COMMAND-3
    const child = spawn(this.#program, args, { detached, stdio: ["ignore", "pipe", "ignore"], windowsHide: true });
    this.#child = child;
    process.once("exit", this.#kill);
    // PASSWORD_COMMAND-1
    this.#timer = setTimeout(() => this.end(`did not end within ${limitMs / 1_000} s`), limitMs);
    child.on("error", (error) => this.end(`failed (${codeOf(error)})`));
    child.stdout.on("error", (error) => this.end(`failed (${codeOf(error)})`));
    child.stdout.on("data", (chunk: Buffer) => {
      this.#output = Buffer.concat([this.#output, chunk]);
      if (this.#output.length > MOST_BYTES) this.end(`wrote more than ${MOST_BYTES} bytes`);
    });
    child.once("close", (code, signal) => this.#closed(code, signal));
  }

  #closed(code: number | null, signal: string | null): void {
    this.#child = null; // Its id may be another process's from now on.
    const password = this.#output.toString().split("\n", 1)[0]?.trim() ?? "";
    if (code !== 0) this.end(code === null ? `failed (${signal})` : `ended with ${code}`);
    else if (password === "") this.end("wrote no password");
    else this.#ended({ ok: true, password });
  }

  #ended(made: MadePassword): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    process.off("exit", this.#kill);
    // What left the group may hold the pipe open.
    this.#child?.stdout?.destroy();
    this.#child = null;
    this.#output = Buffer.alloc(0);
    this.#settle(made);
  }

  #killGroup(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? "unknown");
}
