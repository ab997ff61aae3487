/** The `acktor` command: reads its arguments, runs one subcommand, ends with its exit code (exit.ts). */
import {
  describeError,
  flushStandardStreams,
  onReaderGone,
  standardError,
  standardStreams,
} from "@acktor/shared/runtime/terminal-door";
import { EXIT, type ExitCode } from "./exit.ts";
import { runProgram } from "./program.ts";

/** A command that does not end by itself after Ctrl-C is ended. */
const PATIENCE_MS = 1_500;

const interrupted = new AbortController();

function onInterrupt(): void {
  if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
  interrupted.abort();
  setTimeout(() => process.exit(EXIT.interrupted), PATIENCE_MS).unref();
}

function handOver(): void {
  process.off("SIGINT", onInterrupt);
}

/** What was written reaches a pipe before the process ends. */
async function end(code: ExitCode): Promise<never> {
  await flushStandardStreams();
  process.exit(code);
}

process.on("SIGINT", onInterrupt);
// Nobody reads any more, as after `| head`: nothing is left to do.
onReaderGone(() => process.exit(EXIT.done));
// A fault of the command itself: what Node would print may hold what a service has answered.
process.on("uncaughtException", (error) => {
  standardError.say(describeError(error));
  process.exit(EXIT.failed);
});

const code = await runProgram(process.argv.slice(2), {
  streams: standardStreams,
  env: process.env,
  signal: interrupted.signal,
  now: () => performance.now(),
  handOver,
});
await end(interrupted.signal.aborted ? EXIT.interrupted : code);
