/** `npm run chaos`: the fault lab as a program of its own. */

import { listenForStop } from "@acktor/embedded/stop-request";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { standardError, standardOutput } from "@acktor/shared/runtime/terminal-door";
import { Command, Option } from "commander";
import type { CampaignCommandOptions } from "./campaign/campaign-command.ts";
import type { ControlsOptions } from "./controls/controls-command.ts";
import { defineChaos, wholeNumber } from "./define-chaos.ts";
import { chaosTexts } from "./report/texts.ts";
import type { SimCommandOptions } from "./sim/sim-command.ts";
import { LabFailure } from "./world/lab-failure.ts";

const program = new Command("acktor")
  .option("--json", "results as JSON")
  .option("--lang <language>", "en or ja")
  .showHelpAfterError();
const { signal } = listenForStop(standardError, SYSTEM_CLOCK);
const texts = chaosTexts(undefined, process.env);
const number = (text: string): number => wholeNumber(text, texts.help.notWhole);
let exitCode = 0;
defineChaos(program, texts, async (_command, work) => {
  exitCode = await work({ stdout: standardOutput, stderr: standardError, env: process.env, signal });
});

program
  .command("campaign")
  .description("real processes, killed and lied to under traffic; then the checker")
  .addOption(new Option("--profile <profile>", "how much").choices(["ci", "long"]).default("ci"))
  .option("--seed <n>", "seed of the plan", number, 1)
  .addOption(new Option("--handler <name>", "of the acker").choices(["inbox", "log"]).default("inbox"))
  .option("--history <file>", "where the history is written")
  .action(async (options: CampaignCommandOptions) => {
    const { campaignCommand } = await import("./campaign/campaign-command.ts");
    exitCode = await campaignCommand(options, signal);
  });
program
  .command("controls")
  .description("seeded bugs on a copy of the build: each must be caught")
  .option("--only <text>", "only the bugs whose name holds this")
  .option("--no-clean", "does not ask the trials of the true build first")
  .action(async (options: ControlsOptions) => {
    const { controlsCommand } = await import("./controls/controls-command.ts");
    exitCode = await controlsCommand(options, signal);
  });
program
  .command("crash-points")
  .description("kill -9 at each named point of a message's life")
  .option("--only <text>", "only the points whose name holds this")
  .action(async (options: { only?: string }) => {
    const { crashCommand } = await import("./crash/crash-command.ts");
    exitCode = await crashCommand(options, signal);
  });

program
  .command("sim")
  .description("the real machines against a simulated world, one history per seed")
  .option("--seeds <n>", "how many seeds, from 1", number, 2_000)
  .option("--seed <n>", "this one alone", number)
  .option("--trace", "with --seed: everything that happened")
  .action(async (options: SimCommandOptions) => {
    const { simCommand } = await import("./sim/sim-command.ts");
    exitCode = await simCommand(options, signal);
  });

for (const command of [program, ...program.commands, ...program.commands.flatMap((child) => child.commands)]) {
  command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

try {
  await program.parseAsync(process.argv.slice(2), { from: "user" });
} catch (error) {
  if (!(error instanceof LabFailure)) throw error;
  standardError.say(error.message);
  exitCode = 1;
}
process.exit(exitCode);
