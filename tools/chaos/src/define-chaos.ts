/**
 * The subcommands `chaos list` and `chaos run`, for any program made with commander. Their code is loaded when they run.
 *
 * Exit codes: 0 all passed, 1 a scenario did not pass, 2 wrong arguments, 130 interrupted.
 */
import type { TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { ListCommandOptions, RunCommandOptions } from "./chaos-command.ts";
import type { ChaosTexts } from "./report/texts.ts";

/** Where the lab writes, and the signal that stops it. */
export interface ChaosIo {
  readonly stdout: TerminalDoor;
  readonly stderr: TerminalDoor;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Does the work of a command and ends the program with its exit code. */
export type RunChaosCommand = (command: Command, work: (io: ChaosIo) => Promise<number>) => Promise<void>;

/** Adds `chaos` with its subcommands to `program`, which has the global options `--json` and `--lang`. */
export function defineChaos(program: Command, { help }: Pick<ChaosTexts, "help">, run: RunChaosCommand): Command {
  const number = (text: string): number => wholeNumber(text, help.notWhole);
  const chaos = program.command("chaos").description(help.chaos);
  chaos
    .command("list")
    .description(help.list)
    .option("--seed <n>", help.seed, number, 1)
    .addHelpText("after", `\n${help.examples}\n  acktor chaos list\n  acktor chaos list --json`)
    .action((_options: object, command: Command) =>
      run(command, async (io) =>
        (await import("./chaos-command.ts")).listScenarios(command.optsWithGlobals<ListCommandOptions>(), io),
      ),
    );
  chaos
    .command("run")
    .description(help.run)
    .argument("<name>", help.name)
    .option("--seed <n>", help.seed, number, 1)
    .option("--messages <n>", help.messages, number)
    .addOption(new Option("--driver <driver>", help.driver).choices(["proxy", "netns"]).default("proxy"))
    .option("--report <file>", help.report)
    .option("--junit <file>", help.junit)
    .addHelpText(
      "after",
      `\n${help.examples}\n  acktor chaos run cut\n  acktor chaos run all --seed 1 --report chaos.html`,
    )
    .action((name: string, _options: object, command: Command) =>
      run(command, async (io) =>
        (await import("./chaos-command.ts")).runChaos(name, command.optsWithGlobals<RunCommandOptions>(), io),
      ),
    );
  return chaos;
}

/** @param why the message for a text that is not a whole number */
export function wholeNumber(text: string, why: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new InvalidArgumentError(why);
  return value;
}
