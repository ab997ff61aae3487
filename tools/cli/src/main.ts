/** The `acktor` command: reads its arguments, runs one subcommand, exits with its code (exit.ts). */
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import {
  describeError,
  flushStandardStreams,
  onReaderGone,
  standardError,
  standardStreams,
} from "@acktor/shared/runtime/terminal-door";
import { EXIT, type ExitCode } from "./exit.ts";
import { runProgram } from "./program.ts";

/** How long a command may take after Ctrl-C before the process exits. */
const PATIENCE_MS = 1_500;

const interrupted = new AbortController();

function onInterrupt(): void {
  if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
  interrupted.abort();
  setTimeout(() => process.exit(EXIT.interrupted), PATIENCE_MS).unref();
}

const processSignals = {
  handOver(): void {
    process.off("SIGINT", onInterrupt);
  },
};

/** Exits after all output has reached the pipe. */
async function end(code: ExitCode): Promise<never> {
  await flushStandardStreams();
  process.exit(code);
}

process.on("SIGINT", onInterrupt);
// The reader has closed the pipe, as `| head` does.
onReaderGone(() => process.exit(EXIT.done));
// A bug of the command. Node's own report might print a service's answer unescaped.
process.on("uncaughtException", (error) => {
  standardError.say(describeError(error));
  process.exit(EXIT.failed);
});

const code = await runProgram(process.argv.slice(2), {
  streams: standardStreams,
  env: process.env,
  signal: interrupted.signal,
  clock: SYSTEM_CLOCK,
  process: processSignals,
});
await end(interrupted.signal.aborted ? EXIT.interrupted : code);
