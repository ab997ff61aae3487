/**
 * Requests to stop: signals, errors, a closed terminal.
 *
 * Invariants:
 *  STOP-1. The first SIGINT, SIGTERM or SIGHUP requests an orderly stop; so does an uncaught error or a closed terminal.
 *
 * A second signal ends the process immediately, unless it comes within `SAME_KEYSTROKE_MS`: a terminal sends Ctrl-C to npm and
 * to this process, and npm forwards it, so one keystroke arrives twice.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import { onReaderGone } from "@acktor/shared/runtime/terminal-door";
import type { Narrator } from "./progress.ts";

export interface StopRequest {
  /** Aborted when a stop is requested. */
  readonly signal: AbortSignal;
  /** Resolves then, with the exit code. */
  readonly code: Promise<number>;
  /** Requests a stop from within, because a part ended unexpectedly. */
  ask(code: number, why: string): void;
}

const SAME_KEYSTROKE_MS = 1_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const FORCED = 130;

/** Listens from now on, until the process ends. */
export function listenForStop(narrator: Narrator, clock: Pick<Clock, "now">): StopRequest {
  const controller = new AbortController();
  let settle: (code: number) => void = () => {};
  const code = new Promise<number>((resolve) => {
    settle = resolve;
  });
  let askedAt: number | null = null;
  const ask = (exitCode: number, why: string): void => {
    if (askedAt !== null) return;
    askedAt = clock.now();
    if (why !== "") narrator.say(why);
    settle(exitCode);
    controller.abort();
  };
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (askedAt !== null && clock.now() - askedAt > SAME_KEYSTROKE_MS) process.exit(FORCED);
      ask(0, `\n${name}: stopping; press Ctrl-C again to force it`); // STOP-1
    });
  }
  process.on("uncaughtException", (error) =>
    ask(1, `stopping after an uncaught error: ${error.stack ?? error.message}`),
  );
  // The terminal or pipe is closed. Without a listener this would be an uncaught error.
  onReaderGone(() => ask(0, ""));
  return { signal: controller.signal, code, ask };
}
