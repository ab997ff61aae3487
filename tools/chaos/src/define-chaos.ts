/**
 * The subcommands `chaos list` and `chaos run`, for any program made with commander; what they do is loaded when they run.
 *
 * Exit codes: 0 all passed, 1 one did not, 2 wrong arguments, 130 interrupted.
 */
import { type Command, InvalidArgumentError } from "commander";
import type { RunCommandOptions } from "./chaos-command.ts";

export interface ChaosHost {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  /** Told when a command has ended. */
  readonly done: (exitCode: number) => void;
}

/** Adds `chaos` with its subcommands to `program`. */
export function defineChaos(program: Command, host: ChaosHost): Command {
  const chaos = program.command("chaos").description("break things, and see that nothing is lost");
  chaos
    .command("list")
    .description("all scenarios")
    .option("--json", "as JSON, with schedules and limits")
    .option("--seed <n>", "seed of the schedules", wholeNumber, 1)
    .option("--lang <language>", "en or ja")
    .action(async (options: { json?: boolean; seed: number; lang?: string }) => {
      const { listScenarios } = await import("./chaos-command.ts");
      host.done(listScenarios(options, host));
    });
  chaos
    .command("run")
    .description("one scenario, or `all`: a pair of its own, traffic, faults, verdict")
    .argument("<name>", "name of a scenario, or all")
    .option("--seed <n>", "seed: the same one gives the same schedule", wholeNumber, 1)
    .option("--messages <n>", "messages of each run; 100 a second when absent", wholeNumber)
    .option("--driver <driver>", "proxy, or netns (real packet loss; needs root)", oneOf("proxy", "netns"), "proxy")
    .option("--report <file>", "writes an HTML report with a timeline of each run")
    .option("--junit <file>", "writes JUnit XML")
    .option("--json", "results as JSON lines instead of the table")
    .option("--lang <language>", "en or ja")
    .action(async (name: string, options: RunCommandOptions) => {
      const { runChaos } = await import("./chaos-command.ts");
      host.done(await runChaos(name, options, host));
    });
  return chaos;
}

export function wholeNumber(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new InvalidArgumentError("A whole number is needed.");
  return value;
}

export function oneOf(...values: readonly string[]): (text: string) => string {
  return (text) => {
    if (values.includes(text)) return text;
    throw new InvalidArgumentError(`One of ${values.join(", ")} is needed.`);
  };
}
