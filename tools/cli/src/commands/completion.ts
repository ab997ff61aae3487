/** `acktor completion`: scripts that complete commands, options and choices, generated from the tree of commands. */
import type { Command } from "commander";
import type { ExitCode } from "../exit.ts";
import type { Session } from "../session.ts";
import { type CompletionEntry, completionEntries } from "./completion-entries.ts";

export async function completion(
  session: Session,
  shell: "bash" | "zsh" | "fish",
  program: Command,
): Promise<ExitCode> {
  const script = completionScript(shell, program);
  return session.answer({ shell, script }, () => script);
}

export function completionScript(shell: "bash" | "zsh" | "fish", program: Command): string {
  const entries = completionEntries(program);
  return { bash, zsh, fish }[shell](entries);
}

/** Only the words that are commands, not options or their values, decide what can follow. */
function bash(entries: readonly CompletionEntry[]): string {
  const words = entries.map(
    ({ path, words }) => `    ${quote(path)}) words=${quote(words.map((w) => w.text).join(" "))} ;;`,
  );
  const commands = entries.flatMap(({ path, words }) => {
    const names = words.filter((word) => word.isCommand).map((word) => word.text);
    return names.length === 0
      ? []
      : [`      ${names.map((name) => quote(`${path} ${name}`.trim())).join(" | ")}) path="$next" ;;`];
  });
  return `# acktor completion for bash: eval "$(acktor completion bash)"
_acktor() {
  local path="" next words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
${commands.join("\n")}
    esac
  done
  case "$path" in
${words.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _acktor acktor`;
}

function zsh(entries: readonly CompletionEntry[]): string {
  const words = entries.map(({ path, words }) => {
    const described = words.map(({ text, about }) => quote(`${text.replaceAll(":", "\\:")}:${about}`));
    return `    ${quote(path)}) entries=(${described.join(" ")}) ;;`;
  });
  const paths = entries.map(({ path }) => quote(path)).filter((path) => path !== "''");
  return `#compdef acktor
# acktor completion for zsh: acktor completion zsh > ~/.zfunc/_acktor
_acktor() {
  local at="" next word
  local -a known entries
  known=(${paths.join(" ")})
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${at:+$at }$word"
    if (( \${known[(Ie)$next]} )); then at="$next"; fi
  done
  case "$at" in
${words.join("\n")}
  esac
  _describe acktor entries || _files
}
if [ "$funcstack[1]" = "_acktor" ]; then
  _acktor "$@"
else
  compdef _acktor acktor
fi`;
}

function fish(entries: readonly CompletionEntry[]): string {
  const lines = entries.flatMap(({ path, words }) =>
    words.map(
      ({ text, about }) =>
        `complete -c acktor -f -n ${quote(`test (__acktor_path) = ${doubleQuote(path)}`)} -a ${quote(text)} -d ${quote(about)}`,
    ),
  );
  const paths = entries.map(({ path }) => quote(path)).filter((path) => path !== "''");
  return `# acktor completion for fish: acktor completion fish > ~/.config/fish/completions/acktor.fish
function __acktor_path
  set -l found ""
  for word in (commandline -opc)[2..]
    set -l next (string trim -- "$found $word")
    contains -- "$next" ${paths.join(" ")}; and set found "$next"
  end
  echo "$found"
end
complete -c acktor -e
${lines.join("\n")}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function doubleQuote(text: string): string {
  return `"${text}"`;
}
