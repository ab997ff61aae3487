/** `token create|list|revoke`. */
import { type Command, InvalidArgumentError } from "commander";
import type { CreateOptions } from "../commands/tokens.ts";
import { type Definer, durationOption, examples, wholeNumber, withApi } from "./definer.ts";

const SCOPES = ["send", "read", "operate", "admin"];
const MOST_QUOTA = 1_000_000;

export function defineTokens(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  const group = program.command("token").description(help.token);
  defineCreate(definer, group);
  group
    .command("list")
    .description(help.tokenList)
    .addHelpText("after", examples(definer, "acktor token list", "acktor token list --json | jq '.principals[].name'"))
    .action((_options: object, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/tokens.ts")).list(session, api)),
      ),
    );
  group
    .command("revoke")
    .description(help.tokenRevoke)
    .argument("<name>", help.tokenName)
    .addHelpText("after", examples(definer, "acktor token revoke team-a"))
    .action((name: string, _options: object, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/tokens.ts")).revoke(session, api, name)),
      ),
    );
}

function defineCreate(definer: Definer, group: Command): void {
  const { texts, run } = definer;
  const { help } = texts;
  group
    .command("create")
    .description(help.tokenCreate)
    .argument("<name>", help.tokenName)
    .requiredOption("--scope <scopes>", help.tokenScope, scopes(definer))
    .option("--topics <filters>", help.tokenTopics, commas)
    .option("--write <filters>", help.tokenWrite, commas)
    .option("--read <filters>", help.tokenRead, commas)
    .option("--rate <n>", help.tokenRate, wholeNumber(definer, 1, MOST_QUOTA))
    .option("--most-waiting <n>", help.tokenMostWaiting, wholeNumber(definer, 1, MOST_QUOTA))
    .addOption(durationOption(definer, "--expires <duration>", help.tokenExpires))
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor token create team-a --scope send,read --topics 'team-a/#'",
        "acktor token create ops --scope operate,read --topics '#' --expires 90d > ops.token",
      ),
    )
    .action((name: string, options: CreateOptions, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/tokens.ts")).create(session, api, name, options)),
      ),
    );
}

function scopes({ texts }: Definer): (text: string) => string[] {
  return (text) => {
    const named = commas(text);
    if (named.every((scope) => SCOPES.includes(scope))) return [...new Set(named)];
    throw new InvalidArgumentError(texts.failures.notScopes(SCOPES.join(", ")));
  };
}

function commas(text: string): string[] {
  return text.split(",").map((part) => part.trim());
}
