/**
 * The tree of subcommands with their help. A subcommand's work is loaded when it runs, so that `--help` starts fast.
 *
 * Invariants:
 *  PROGRAM-1. Wrong arguments are reported with exit code 2 before the command does anything; with `--json` as one line of
 *             JSON.
 *  PROGRAM-2. Requested help goes to standard output, help instead of an error to standard error.
 */
import type { Clock } from "@acktor/shared/runtime/clock";
import { TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import { isLanguage, LANGUAGES } from "@acktor/shared/texts/language";
import { Command, CommanderError } from "commander";
import { defineChaos } from "./define/chaos.ts";
import { defineDeadLetters } from "./define/dead-letters.ts";
import type { Definer } from "./define/definer.ts";
import { defineHere } from "./define/here.ts";
import { defineMessages } from "./define/messages.ts";
import { defineOperating } from "./define/operating.ts";
import { defineStatus } from "./define/status.ts";
import { defineTokens } from "./define/tokens.ts";
import type { Environment } from "./environment.ts";
import { type CliFailure, describeFailure, EXIT, type ExitCode } from "./exit.ts";
import { type ProcessSignals, Session } from "./session.ts";
import { printable } from "./terminal/printable.ts";
import { type Streams, StreamTerminal } from "./terminal/terminal.ts";
import { chooseTexts, type Texts } from "./texts/texts.ts";
import { usageFailure } from "./usage-error.ts";
import { VERSION } from "./version.ts";

const HELP_COLUMNS = 100;

export interface World {
  readonly streams: Streams;
  readonly env: Environment;
  /** Ctrl-C. */
  readonly signal: AbortSignal;
  readonly clock: Pick<Clock, "now">;
  readonly process: ProcessSignals;
}

interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly color: boolean;
}

/** Runs one command. @param args without the program's own name */
export async function runProgram(args: readonly string[], world: World): Promise<ExitCode> {
  const { streams, env } = world;
  // PROGRAM-1: needed even if the arguments cannot be read.
  const wantsJson = beforeDashes(args).includes("--json");
  const language = languageIn(args);
  if (language !== null && !isLanguage(language)) {
    const texts = chooseTexts(null, env);
    const message = texts.usage.language(JSON.stringify(language.slice(0, 20)), LANGUAGES.join(", "));
    return refuse({ exit: EXIT.usage, code: "wrong_usage", message, fix: texts.usage.fix }, wantsJson, streams, texts);
  }
  const texts = chooseTexts(language, env);
  let exit: ExitCode = EXIT.done;
  const program = makeProgram(texts, async (command, work) => {
    const { url, token, tokenFile, json = false, color } = command.optsWithGlobals<GlobalOptions>();
    const address = {
      ...(url === undefined ? {} : { url }),
      ...(token === undefined ? {} : { token }),
      ...(tokenFile === undefined ? {} : { tokenFile }),
    };
    const terminal = new StreamTerminal(streams, env, color);
    exit = await work(new Session({ ...world, terminal, texts, json, address }));
  });
  const [out, err] = [new TerminalDoor(streams.stdout), new TerminalDoor(streams.stderr)];
  for (const command of withDescendants(program)) {
    command.exitOverride();
    command.configureOutput({
      writeOut: (text) => out.write(text),
      // PROGRAM-2: this help replaces an error; with --json the error is reported below.
      writeErr: (text) => void (wantsJson || err.write(text)),
      // Reported below, in the chosen language and form.
      outputError: () => undefined,
      getOutHelpWidth: () => helpWidth(streams),
      getErrHelpWidth: () => helpWidth(streams),
    });
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    // The help was already written.
    if (error.code === "commander.help" && !wantsJson) return EXIT.usage;
    return refuse(usageFailure(error, texts), wantsJson, streams, texts);
  }
}

/** Reports wrong arguments on standard error. */
function refuse(failure: CliFailure, json: boolean, { stderr }: Streams, texts: Texts): ExitCode {
  const words = `${texts.usage.error}: ${printable(failure.message)}\n(${failure.fix})`;
  new TerminalDoor(stderr).say(json ? describeFailure(failure, true, "") : words);
  return EXIT.usage;
}

/** The tree: the reference and the completion scripts are generated from it. */
export function makeProgram(texts: Texts, run: Definer["run"]): Command {
  const { help } = texts;
  const program = new Command("acktor")
    .description(help.acktor)
    .version(VERSION, "-V, --version", help.version)
    .helpOption("-h, --help", help.help)
    .helpCommand(false)
    .option("--url <url>", help.url)
    .option("--token-file <file>", help.tokenFile)
    .option("--json", help.json)
    .option("--lang <language>", help.lang)
    .option("--no-color", help.noColor)
    .configureHelp({ showGlobalOptions: true, styleTitle: (title) => help.titles[title] ?? title });
  program.addOption(program.createOption("--token <token>").hideHelp());
  const definer: Definer = { program, texts, run };
  for (const define of [
    defineStatus,
    defineMessages,
    defineDeadLetters,
    defineOperating,
    defineTokens,
    defineHere,
    defineChaos,
  ])
    define(definer);
  program.addHelpText("after", `\n${help.exitCodes}`);
  return program;
}

export function withDescendants(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => withDescendants(child))];
}

/** The width of the terminal; fixed for files and pipes. */
function helpWidth({ stdout }: Streams): number {
  return stdout.isTTY === true ? stdout.columns || HELP_COLUMNS : HELP_COLUMNS;
}

/** Read before the other arguments, because the help is in that language. */
function languageIn(args: readonly string[]): string | null {
  const upToDashes = beforeDashes(args);
  const at = upToDashes.findLastIndex((arg) => arg === "--lang" || arg.startsWith("--lang="));
  if (at < 0) return null;
  const given = upToDashes[at] ?? "";
  return given.includes("=") ? given.slice("--lang=".length) : (upToDashes[at + 1] ?? "");
}

/** Arguments after `--` are not options. */
function beforeDashes(args: readonly string[]): readonly string[] {
  return args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
}
