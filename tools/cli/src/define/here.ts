/** Commands for this machine: `start`, `demo`, `doctor`, `config`, `migrate`, `completion`. */
import { Argument, type Command, Option } from "commander";
import { type Definer, durationOption, examples } from "./definer.ts";

export function defineHere(definer: Definer): void {
  for (const verb of ["start", "demo"] as const) defineEmbedded(definer, verb);
  defineDoctor(definer);
  defineConfig(definer);
  defineMigrate(definer);
  defineCompletion(definer);
}

function defineEmbedded(definer: Definer, verb: "start" | "demo"): void {
  const { program, texts, run } = definer;
  program
    .command(verb)
    .description(texts.help[verb])
    .addHelpText("after", examples(definer, `acktor ${verb}`))
    .action((_options: object, command: Command) =>
      run(command, async (session) => (await import("../commands/embedded.ts")).embedded(session, verb)),
    );
}

function defineDoctor(definer: Definer): void {
  const { program, texts, run } = definer;
  program
    .command("doctor")
    .description(texts.help.doctor)
    .addOption(durationOption(definer, "--listen <duration>", texts.help.listen, "1s"))
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
}

function defineMigrate(definer: Definer): void {
  const { program, texts, run } = definer;
  program
    .command("migrate")
    .description(texts.help.migrate)
    .addOption(new Option("--schema <name>", texts.help.schema).choices(["publisher", "acker"]))
    .option("-n, --dry-run", texts.help.migrateDryRun)
    .addHelpText(
      "after",
      examples(definer, "acktor migrate --dry-run", "DATABASE_URL_FILE=/run/secrets/owner-url acktor migrate"),
    )
    .action((options: { schema?: "publisher" | "acker"; dryRun?: boolean }, command: Command) =>
      run(command, async (session) => (await import("../commands/migrate.ts")).migrateSchemas(session, options)),
    );
}

function defineCompletion(definer: Definer): void {
  const { program, texts, run } = definer;
  program
    .command("completion")
    .description(texts.help.completion)
    .addArgument(new Argument("<shell>", texts.help.shell).choices(["bash", "zsh", "fish"]))
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

function defineConfig(definer: Definer): void {
  const { program, texts, run } = definer;
  const { help } = texts;
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
