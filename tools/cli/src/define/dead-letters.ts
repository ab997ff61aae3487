/** `dead-letters list|show|replay|discard`. */
import type { Command } from "commander";
import type { ChangeOptions } from "../commands/change-dead-letters.ts";
import { type Definer, examples, wholeNumber, withApi } from "./definer.ts";

const MOST_CHANGED = 100_000;

export function defineDeadLetters(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  const group = program.command("dead-letters").description(help.deadLetters);
  group
    .command("list")
    .description(help.deadLettersList)
    .addHelpText(
      "after",
      examples(definer, "acktor dead-letters list", "acktor dead-letters list --json | jq '.groups[].count'"),
    )
    .action((_options: object, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/dead-letters.ts")).list(session, api)),
      ),
    );
  group
    .command("show")
    .description(help.deadLettersShow)
    .option("--reason <reason>", help.reason)
    .option("--topic <topic>", help.topic)
    .option("--limit <n>", help.limit, wholeNumber(definer, 1, 1_000), 20)
    .addHelpText(
      "after",
      examples(definer, "acktor dead-letters show", "acktor dead-letters show --reason expired --limit 5"),
    )
    .action((options: { reason?: string; topic?: string; limit: number }, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/dead-letters.ts")).show(session, api, options)),
      ),
    );
  defineChange(definer, group, "replay");
  defineChange(definer, group, "discard");
}

function defineChange(definer: Definer, group: Command, verb: "replay" | "discard"): void {
  const { texts, run } = definer;
  const { help } = texts;
  const command = group
    .command(verb)
    .description(verb === "replay" ? help.deadLettersReplay : help.deadLettersDiscard)
    .option("--reason <reason>", help.reason)
    .option("--topic <topic>", help.topic)
    .option("--limit <n>", help.changeLimit, wholeNumber(definer, 1, MOST_CHANGED), 1_000)
    .option("-n, --dry-run", help.dryRun)
    .option("-y, --yes", help.yes);
  if (verb === "replay") command.option("--force", help.force).option("--out-of-order", help.outOfOrder);
  command
    .addHelpText(
      "after",
      examples(
        definer,
        `acktor dead-letters ${verb} --reason expired --dry-run`,
        `acktor dead-letters ${verb} --topic sensors/1/temp --yes`,
      ),
    )
    .action((options: ChangeOptions, self: Command) =>
      run(
        self,
        withApi(async (session, api) =>
          (await import("../commands/change-dead-letters.ts")).change(session, api, verb, options),
        ),
      ),
    );
}
