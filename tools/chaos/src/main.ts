/** `npm run chaos`: the fault lab as a separate program. */

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
  .description("all faults together, on real processes under traffic; then the checker")
  .addOption(new Option("--profile <profile>", "size of the campaign").choices(["ci", "long"]).default("ci"))
  .option("--seed <n>", "seed of the plan", number, 1)
  .addOption(new Option("--handler <name>", "handler of the acker").choices(["inbox", "log"]).default("inbox"))
  .option("--history <file>", "file for the history")
  .action(async (options: CampaignCommandOptions) => {
    const { campaignCommand } = await import("./campaign/campaign-command.ts");
    exitCode = await campaignCommand(options, signal);
  });
program
  .command("controls")
  .description("injects bugs into a copy of the build: each must be caught")
  .option("--only <text>", "only the bugs with this text in their name")
  .option("--no-clean", "do not run the trials on the unchanged build first")
  .action(async (options: ControlsOptions) => {
    const { controlsCommand } = await import("./controls/controls-command.ts");
    exitCode = await controlsCommand(options, signal);
  });
program
  .command("crash-points")
  .description("kills a service at each named point of a message's life, and cuts lines at each message")
  .option("--only <text>", "only the points with this text in their name")
  .action(async (options: { only?: string }) => {
    const { crashCommand } = await import("./crash/crash-command.ts");
    exitCode = await crashCommand(options, signal);
  });

program
  .command("sim")
  .description("runs both services in a simulated world, one history per seed")
  .option("--seeds <n>", "number of seeds, from 1", number, 2_000)
  .option("--seed <n>", "only this seed", number)
  .option("--trace", "with --seed: show all events")
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
