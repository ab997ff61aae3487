/**
 * Commander's errors about arguments, parsed, so that they can be reported in both languages. An error that is not
 * recognized is reported in commander's words.
 */
import type { CommanderError } from "commander";
import { type CliFailure, EXIT } from "./exit.ts";
import { printable } from "./terminal/printable.ts";
import type { Texts } from "./texts/texts.ts";

type ToText = (parts: readonly string[], texts: Texts["usage"]) => string;

/** By commander's code; the groups of the pattern are the parts. A second line suggests similar names. */
const FORMS: readonly { readonly code: string; readonly pattern: RegExp; readonly say: ToText }[] = [
  {
    code: "commander.unknownOption",
    pattern: /^unknown option '(.*?)'(?:\n\(Did you mean (?:one of )?(.*)\?\))?$/s,
    say: ([option = "", similar = ""], t) => t.unknownOption(option) + (similar && t.didYouMean(similar)),
  },
  {
    code: "commander.unknownCommand",
    pattern: /^unknown command '(.*?)'(?:\n\(Did you mean (?:one of )?(.*)\?\))?$/s,
    say: ([command = "", similar = ""], t) => t.unknownCommand(command) + (similar && t.didYouMean(similar)),
  },
  {
    code: "commander.missingArgument",
    pattern: /^missing required argument '(.*)'$/s,
    say: ([name = ""], t) => t.missingArgument(name),
  },
  {
    code: "commander.optionMissingArgument",
    pattern: /^option '(.*)' argument missing$/s,
    say: ([option = ""], t) => t.missingValue(option),
  },
  {
    code: "commander.missingMandatoryOptionValue",
    pattern: /^required option '(.*)' not specified$/s,
    say: ([option = ""], t) => t.missingOption(option),
  },
  {
    code: "commander.excessArguments",
    pattern: /^too many arguments(?: for '.*')?\. Expected (\d+) arguments? but got (\d+)\.$/s,
    say: ([expected = "", got = ""], t) => t.tooMany(Number(expected), Number(got)),
  },
  {
    code: "commander.invalidArgument",
    pattern: /^option '(.*?)' argument '(.*)' is invalid\. (.*)$/s,
    say: ([option = "", value = "", why = ""], t) => t.wrongValue(option, value, reason(why, t)),
  },
  {
    code: "commander.invalidArgument",
    pattern: /^command-argument value '(.*)' is invalid for argument '(.*?)'\. (.*)$/s,
    say: ([value = "", name = "", why = ""], t) => t.wrongValue(name, value, reason(why, t)),
  },
];

/** The reasons of acktor's own parsers are already in the chosen language. */
function reason(why: string, texts: Texts["usage"]): string {
  const [, choices] = /^Allowed choices are (.*)\.$/s.exec(why) ?? [];
  return choices === undefined ? why : texts.choices(choices);
}

/** One line, even if the arguments contain line ends. */
export function usageFailure({ code, message }: Pick<CommanderError, "code" | "message">, texts: Texts): CliFailure {
  const said = printable(inWords(code, message, texts).replaceAll("\n", " "), 500);
  return { exit: EXIT.usage, code: "wrong_usage", message: said, fix: texts.usage.fix };
}

function inWords(code: string, message: string, texts: Texts): string {
  // Help instead of an error: a command that has subcommands was called without one.
  if (code === "commander.help") return texts.usage.noCommand;
  const said = message.replace(/^error: /, "");
  for (const form of FORMS) {
    const found = form.code === code ? form.pattern.exec(said) : null;
    if (found !== null)
      return form.say(
        found.slice(1).map((part) => part ?? ""),
        texts.usage,
      );
  }
  return said;
}
