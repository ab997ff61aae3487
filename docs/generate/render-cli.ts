/** docs/reference/cli.md from the help of every command, as it is printed. */

import { CLI_CODES } from "@acktor/cli/exit";
import { makeProgram, runProgram, withDescendants } from "@acktor/cli/program";
import { english } from "@acktor/cli/texts/english";
import type { Command } from "commander";
import type { GeneratedFile } from "./write-or-check.ts";

const HEAD = `# Command line

<!-- Generated from the help of tools/cli by docs/generate/cli.ts. Do not edit. -->

\`npx acktor\` in the checkout; it is built when its sources are newer. How to work with it:
[operate from a terminal](../how-to/operate-from-a-terminal.md).

- **Which service.** \`--url\`, else \`ACKTOR_URL\`, else \`http://127.0.0.1:8080\`. \`status\` also takes an acker's address.
- **Token.** \`--token-file\`, else \`ACKTOR_API_TOKEN\`, else \`ACKTOR_API_TOKEN_FILE\`. Never on the command line: every user of the
  machine can read it there.
- **Output.** Results go to standard output, progress and errors to standard error. Escape sequences go to terminals
  only, and nowhere with \`NO_COLOR\` or \`--no-color\`.
- **\`--json\`.** One object, or one a line with \`watch\`, \`replay-recording\` and \`status --watch\`; a failure is one line on standard
  error, \`{"error":{"code","message","fix","exit"}}\`, also where the arguments cannot be read. \`start\` prints its line when the
  pair is ready, \`demo\` at its end. The forms are in
  [\`tools/cli/src/outputs.ts\`](../../tools/cli/src/outputs.ts); tests hold every command to them. Codes that come from the
  service are those of [errors](errors.md), those of \`migrate\` the kinds of
  [\`shared/src/db/migrate.ts\`](../../shared/src/db/migrate.ts), and the command's own are below.
- **Language.** English or Japanese: \`--lang\`, else \`LC_ALL\`, \`LC_MESSAGES\`, \`LANG\`.

| exit code |                                                                                                            |
| --------- | ---------------------------------------------------------------------------------------------------------- |
| 0         | done                                                                                                       |
| 1         | what was asked about failed: no such message, a state that forbids it, a FAIL of the doctor                |
| 2         | wrong usage: arguments, a token that is wrong, a message that is refused, no terminal to confirm a change |
| 3         | a service, PostgreSQL or the bus is away                                                                   |
| 4         | timeout: not acknowledged in time, no room below the high-water mark in time, no answer in 10 s            |
| 130       | Ctrl-C                                                                                                     |
`;

/** Columns as wide as their widest cell. */
function codesTable(): string {
  const rows = Object.entries(CLI_CODES).map(([code, meaning]) => [`\`${code}\``, meaning] as const);
  const [first, second] = [0, 1].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) as [number, number];
  const line = (code: string, meaning: string): string => `| ${code.padEnd(first)} | ${meaning.padEnd(second)} |`;
  const rule = `| ${"-".repeat(first)} | ${"-".repeat(second)} |`;
  return [line("code", ""), rule, ...rows.map(([code, meaning]) => line(code, meaning)), ""].join("\n");
}

/** The reference: one section a command, in the order of the help. */
export async function cliReference(): Promise<GeneratedFile> {
  const program = makeProgram(english, async () => undefined);
  const commands = withDescendants(program).filter((command) => command.commands.length === 0);
  const sections = await Promise.all([program, ...commands].map(section));
  return { path: "docs/reference/cli.md", text: [HEAD, codesTable(), ...sections].join("\n") };
}

async function section(command: Command): Promise<string> {
  const path = pathOf(command);
  return `## ${["acktor", ...path].join(" ")}\n\n\`\`\`text\n${withoutGlobals(await helpOf(path), path.length > 0)}\n\`\`\`\n`;
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

async function helpOf(path: readonly string[]): Promise<string> {
  let help = "";
  const write = (text: string): void => {
    help += text;
  };
  const streams = { stdin: {}, stdout: { write }, stderr: { write } };
  const world = {
    streams,
    env: {},
    signal: new AbortController().signal,
    clock: { now: () => 0 },
    process: { handOver: () => undefined },
  };
  await runProgram([...path, "--help", "--lang", "en"], world);
  return help.trimEnd();
}

/** They are the same for every command; the first section lists them. */
function withoutGlobals(help: string, isPart: boolean): string {
  return isPart ? help.replace(/\nGlobal Options:\n.*?(?=\nExamples:)/s, "") : help;
}
