/**
 * A program that makes the password: its first line on standard output. It runs without a shell.
 *
 * Invariants:
 *  PASSWORD_COMMAND-1. It runs for at most `LIMIT_MS`, with at most `MOST_BYTES` of output, and one at a time.
 *  PASSWORD_COMMAND-2. Its output is in no log and no fault.
 */
import { execFile } from "node:child_process";

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
  #running: Promise<MadePassword> | null = null;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Runs it, or joins the run that is under way. Never rejects. */
  run(): Promise<MadePassword> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** PASSWORD_COMMAND-1 */
  #run(): Promise<MadePassword> {
    const [program = "", ...args] = this.#words;
    const options = { timeout: LIMIT_MS, maxBuffer: MOST_BYTES, killSignal: "SIGKILL" as const, windowsHide: true };
    return new Promise((resolve) => {
      execFile(program, args, options, (error, stdout) => {
        const password = stdout.split("\n", 1)[0]?.trim() ?? "";
        if (error !== null)
          resolve({ ok: false, fault: `${program} ${whyFailed(error)}` }); // PASSWORD_COMMAND-2
        else if (password === "") resolve({ ok: false, fault: `${program} wrote no password` });
        else resolve({ ok: true, password });
      });
    });
  }
}

function whyFailed({ code, killed, signal }: { code?: unknown; killed?: boolean; signal?: unknown }): string {
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `wrote more than ${MOST_BYTES} bytes`;
  if (killed === true) return `did not end within ${LIMIT_MS / 1_000} s`;
  return typeof code === "number" ? `ended with ${code}` : `failed (${String(code ?? signal)})`;
}
