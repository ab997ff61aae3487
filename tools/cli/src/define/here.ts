/** Commands for this machine: `start`, `demo`, `doctor`, `config`, `migrate`, `completion`. */
import { Argument, type Command, Option } from "commander";
import { type Definer, durationOption, examples } from "./definer.ts";

export function defineHere(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
  for (const verb of ["start", "demo"] as const) {
    program
      .command(verb)
      .description(verb === "start" ? help.start : help.demo)
      .addHelpText("after", examples(definer, `acktor ${verb}`))
      .action((_options: object, command: Command) =>
        run(command, async (session) => (await import("../commands/embedded.ts")).embedded(session, verb)),
      );
  }
  program
    .command("doctor")
    .description(help.doctor)
    .addOption(durationOption(definer, "--listen <duration>", help.listen, "1s"))
    .addHelpText(
      "after",
      examples(
        definer,
        "acktor doctor",
        "DATABASE_URL=postgres://… MQTT_URL=mqtt://broker acktor doctor",
        "acktor doctor --json | jq '.checks[] | select(.verdict!=\"OK\")'",
      ),
    )
    .action((options: { listen: number }, command: Command) =>
      run(command, (session) =>
        session.reading(async () => (await import("../commands/doctor.ts")).doctor(session, options)),
      ),
    );
  defineConfig(definer);
  program
    .command("migrate")
    .description(help.migrate)
    .addOption(new Option("--schema <name>", help.schema).choices(["publisher", "acker"]))
    .option("-n, --dry-run", help.migrateDryRun)
    .addHelpText(
      "after",
      examples(definer, "acktor migrate --dry-run", "DATABASE_URL_FILE=/run/secrets/owner-url acktor migrate"),
    )
    .action((options: { schema?: "publisher" | "acker"; dryRun?: boolean }, command: Command) =>
      run(command, async (session) => (await import("../commands/migrate.ts")).migrateSchemas(session, options)),
    );
  program
    .command("completion")
    .description(help.completion)
    .addArgument(new Argument("<shell>", help.shell).choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      examples(
        definer,
        'eval "$(acktor completion bash)"',
        "acktor completion zsh > ~/.zfunc/_acktor",
        "acktor completion fish > ~/.config/fish/completions/acktor.fish",
      ),
    )
    .action((shell: "bash" | "zsh" | "fish", _options: object, command: Command) =>
      run(command, async (session) => (await import("../commands/completion.ts")).completion(session, shell, program)),
    );
}

function defineConfig({ program, texts, run, ...rest }: Definer): void {
  const { help } = texts;
  const definer = { program, texts, run, ...rest };
  const config = program.command("config").description(help.config);
  for (const verb of ["print", "check"] as const) {
    config
      .command(verb)
      .description(verb === "print" ? help.configPrint : help.configCheck)
      .addArgument(new Argument("[service]", help.configService).choices(["publisher", "acker"]))
      .addHelpText("after", examples(definer, `acktor config ${verb}`, `acktor config ${verb} publisher`))
      .action((service: "publisher" | "acker" | undefined, _options: object, command: Command) =>
        run(command, async (session) => (await import("../commands/config.ts"))[verb](session, service ?? null)),
      );
  }
}
