/**
 * Commander's errors about arguments, parsed, so that they can be reported in both languages. An error that is not
 * recognized is reported in commander's words.
 */
import type { CommanderError } from "commander";
import { type CliFailure, EXIT } from "./exit.ts";
import { printable } from "./terminal/printable.ts";
import type { Texts } from "./texts/texts.ts";

type Form =
  | "unknownOption"
  | "unknownCommand"
  | "missingArgument"
  | "missingValue"
  | "missingOption"
  | "tooMany"
  | "wrongOption"
  | "wrongArgument";

/** By commander's code; the groups of the pattern are the parts. A second line suggests similar names. */
const PATTERNS: readonly (readonly [form: Form, code: string, pattern: RegExp])[] = [
  ["unknownOption", "commander.unknownOption", /^unknown option '(.*?)'(?:\n\(Did you mean (?:one of )?(.*)\?\))?$/s],
  [
    "unknownCommand",
    "commander.unknownCommand",
    /^unknown command '(.*?)'(?:\n\(Did you mean (?:one of )?(.*)\?\))?$/s,
  ],
  ["missingArgument", "commander.missingArgument", /^missing required argument '(.*)'$/s],
  ["missingValue", "commander.optionMissingArgument", /^option '(.*)' argument missing$/s],
  ["missingOption", "commander.missingMandatoryOptionValue", /^required option '(.*)' not specified$/s],
  [
    "tooMany",
    "commander.excessArguments",
    /^too many arguments(?: for '.*')?\. Expected (\d+) arguments? but got (\d+)\.$/s,
  ],
  ["wrongOption", "commander.invalidArgument", /^option '(.*?)' argument '(.*)' is invalid\. (.*)$/s],
  [
    "wrongArgument",
    "commander.invalidArgument",
    /^command-argument value '(.*)' is invalid for argument '(.*?)'\. (.*)$/s,
  ],
];

function textOf(form: Form, [first = "", second = "", why = ""]: readonly string[], t: Texts["usage"]): string {
  switch (form) {
    case "unknownOption":
      return t.unknownOption(first) + (second && t.didYouMean(second));
    case "unknownCommand":
      return t.unknownCommand(first) + (second && t.didYouMean(second));
    case "missingArgument":
      return t.missingArgument(first);
    case "missingValue":
      return t.missingValue(first);
    case "missingOption":
      return t.missingOption(first);
    case "tooMany":
      return t.tooMany(Number(first), Number(second));
    case "wrongOption":
      return t.wrongValue(first, second, reason(why, t));
    case "wrongArgument":
      return t.wrongValue(second, first, reason(why, t));
  }
}

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
  for (const [form, of, pattern] of PATTERNS) {
    const found = of === code ? pattern.exec(said) : null;
    if (found !== null) return textOf(form, found.slice(1), texts.usage);
  }
  return said;
}
