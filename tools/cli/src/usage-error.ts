/**
 * What commander says of arguments that it cannot read, taken apart, so that it can be said in either language.
 *
 * Invariant: what is not recognised is said in commander's own words: nothing is kept back.
 */
import type { CommanderError } from "commander";
import { type CliFailure, EXIT } from "./exit.ts";
import { printable } from "./terminal/printable.ts";
import type { Texts } from "./texts/texts.ts";

type Saying = (parts: readonly string[], texts: Texts["usage"]) => string;

/** By commander's code; the parentheses give the parts. Lines after the first are suggestions. */
const FORMS: readonly { readonly code: string; readonly pattern: RegExp; readonly say: Saying }[] = [
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

/** Our own reasons are in the language already. */
function reason(why: string, texts: Texts["usage"]): string {
  const [, choices] = /^Allowed choices are (.*)\.$/s.exec(why) ?? [];
  return choices === undefined ? why : texts.choices(choices);
}

/** One line, whatever was typed. */
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
