/** An operator's commands: `pause|resume|drain`, `link …`, `breaker …`. */
import { type Command, Option } from "commander";
import type { Target } from "../commands/control.ts";
import { type Definer, examples, withApi } from "./definer.ts";

export function defineOperating(definer: Definer): void {
  const { program, texts } = definer;
  const { help } = texts;
  for (const verb of ["pause", "resume", "drain"] as const)
    defineCommand(definer, program, verb, `/v1/control/${verb}`, `acktor ${verb}`);
  const link = program.command("link").description(help.link);
  for (const verb of ["connect", "disconnect", "reset"] as const)
    defineCommand(definer, link, verb, `/v1/link/${verb}`, `acktor link ${verb}`);
  const breaker = program.command("breaker").description(help.breaker);
  for (const verb of ["open", "close"] as const)
    defineCommand(definer, breaker, verb, `/v1/breaker/${verb}`, `acktor breaker ${verb}`);
}

type Verb = "pause" | "resume" | "drain" | "connect" | "disconnect" | "reset" | "open" | "close";

function defineCommand(definer: Definer, parent: Command, verb: Verb, route: string, example: string): void {
  const { texts, run } = definer;
  const { help } = texts;
  parent
    .command(verb)
    .description(help.verbs[verb])
    .addOption(new Option("--service <name>", help.service).choices(["publisher", "acker"]))
    .option("--instance <name>", help.instance)
    .addHelpText("after", examples(definer, example, `${example} --service acker --instance all`))
    .action((target: Target, command: Command) =>
      run(
        command,
        withApi(async (session, api) => (await import("../commands/control.ts")).control(session, api, route, target)),
      ),
    );
}
