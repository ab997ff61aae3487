/**
 * When to stop, and how a second request is meant.
 *
 * Invariants:
 *  1. The first SIGINT, SIGTERM or SIGHUP asks for an orderly stop; so do an uncaught error and a closed terminal.
 *  2. A second signal ends the process at once, unless it comes within `SAME_KEYSTROKE_MS`: a terminal sends Ctrl-C to
 *     npm and to us, and npm passes it on, so one keystroke arrives twice.
 */
import { onReaderGone } from "@acktor/shared/runtime/terminal-door";

export interface StopRequest {
  /** Aborted when stopping was asked for. */
  readonly signal: AbortSignal;
  /** Resolves then, with the exit code. */
  readonly code: Promise<number>;
  /** Asks from inside, because something ended that should not have. */
  ask(code: number, why: string): void;
}

const SAME_KEYSTROKE_MS = 1_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const FORCED = 130;

/** Listens from now on, until the process ends. */
export function listenForStop(say: (line: string) => void, now: () => number): StopRequest {
  const controller = new AbortController();
  let settle: (code: number) => void = () => {};
  const code = new Promise<number>((resolve) => {
    settle = resolve;
  });
  let askedAt: number | null = null;
  const ask = (exitCode: number, why: string): void => {
    if (askedAt !== null) return;
    askedAt = now();
    if (why !== "") say(why);
    settle(exitCode);
    controller.abort();
  };
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (askedAt !== null && now() - askedAt > SAME_KEYSTROKE_MS) process.exit(FORCED);
      ask(0, `\n${name}: stopping (once more to force it)`);
    });
  }
  process.on("uncaughtException", (error) =>
    ask(1, `stopping after an uncaught error: ${error.stack ?? error.message}`),
  );
  // Nobody reads any more: the terminal or the pipe has gone. Without a listener this would be an uncaught error.
  onReaderGone(() => ask(0, ""));
  return { signal: controller.signal, code, ask };
}
