/** What can follow each command: subcommands, options, choices of arguments. */
import type { Command } from "commander";

export interface CompletionWord {
  readonly text: string;
  readonly about: string;
  readonly isCommand: boolean;
}

export interface CompletionEntry {
  /** `dead-letters replay`; empty for the program itself. */
  readonly path: string;
  readonly words: readonly CompletionWord[];
}

export function completionEntries(program: Command): CompletionEntry[] {
  return entriesOf(program, "", optionWords(program));
}

function entriesOf(command: Command, path: string, globals: readonly CompletionWord[]): CompletionEntry[] {
  const commands = command.commands.map((child) => ({
    text: child.name(),
    about: firstSentence(child.description()),
    isCommand: true,
  }));
  const choices = command.registeredArguments.flatMap((argument) =>
    (argument.argChoices ?? []).map((text) => ({ text, about: argument.description, isCommand: false })),
  );
  const own = path === "" ? [] : optionWords(command);
  const here = { path, words: [...commands, ...choices, ...own, ...globals] };
  const below = command.commands.flatMap((child) => entriesOf(child, `${path} ${child.name()}`.trim(), globals));
  return [here, ...below];
}

function optionWords(command: Command): CompletionWord[] {
  const options = command.options.filter((option) => !option.hidden);
  return options.map((option) => ({
    text: option.long ?? option.short ?? "",
    about: firstSentence(option.description),
    isCommand: false,
  }));
}

function firstSentence(text: string): string {
  return text.split(/[.。]/)[0]?.replace(/\s+/g, " ").trim() ?? "";
}
