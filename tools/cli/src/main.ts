/** The `acktor` command: reads its arguments, runs one subcommand, ends with its exit code (exit.ts). */
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
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => stream.write("", () => resolve()));
  process.exit(code);
}

process.on("SIGINT", onInterrupt);
// Nobody reads any more, as after `| head`: nothing is left to do.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(EXIT.done));

const code = await runProgram(process.argv.slice(2), {
  streams: process,
  env: process.env,
  signal: interrupted.signal,
  now: () => performance.now(),
  handOver,
});
await end(interrupted.signal.aborted ? EXIT.interrupted : code);
