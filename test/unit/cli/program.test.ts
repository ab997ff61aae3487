/** The tree of commands: help with examples in both languages, and errors before anything is done. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { completionScript } from "@acktor/cli/commands/completion";
import { completionEntries } from "@acktor/cli/commands/completion-entries";
import { CLI_CODES } from "@acktor/cli/exit";
import { completionOutput, failureOutput } from "@acktor/cli/outputs";
import { makeProgram, runProgram, withDescendants } from "@acktor/cli/program";
import { english } from "@acktor/cli/texts/english";
import { japanese } from "@acktor/cli/texts/japanese";
import type { Command } from "commander";

const exec = promisify(execFile);
const program = makeProgram(english, async () => undefined);

async function run(...args: string[]): Promise<{ exit: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const writeTo = (stream: "out" | "err") => (text: string) => {
    written[stream] += text;
  };
  const streams = {
    stdin: {},
    stdout: { write: writeTo("out") },
    stderr: { write: writeTo("err") },
  };
  const world = {
    streams,
    env: {},
    signal: new AbortController().signal,
    clock: { now: () => 0 },
    process: { handOver: () => undefined },
  };
  return { exit: await runProgram(args, world), ...written };
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

const commands = withDescendants(program).filter((command) => command.commands.length === 0);

test("every command has a description, examples that call it, and exit codes at the root, in both languages", async () => {
  assert.ok(commands.length >= 25, `${commands.length} commands`);
  for (const texts of [english, japanese]) {
    assert.match((await run("--help", "--lang", texts.lang)).out, new RegExp(texts.help.exitCodes.slice(0, 10)));
    for (const command of commands) {
      const path = pathOf(command);
      const { exit, out, err } = await run(...path, "--help", `--lang=${texts.lang}`);
      assert.deepEqual([exit, err], [0, ""], path.join(" "));
      const [, after = ""] = out.split(texts.help.examples);
      assert.match(after, new RegExp(`acktor ${path.join(" ")}`), path.join(" "));
      for (const option of command.options) assert.notEqual(option.description, "", option.flags);
    }
  }
});

test("PROGRAM-1, PROGRAM-2: wrong usage has exit code 2, a message on standard error, nothing on standard output", async () => {
  const wrong: [string[], RegExp][] = [
    [[], /Usage: acktor/],
    [["nonsense"], /unknown command 'nonsense'/],
    [["status", "--nonsense"], /unknown option '--nonsense'/],
    [["status", "more"], /too many arguments/],
    [["send", "topic"], /missing required argument 'payload'/],
    [["send", "t", "p", "--count", "0"], /whole number from 1 to 1000000/],
    [["send", "t", "p", "--count", "1e3"], /whole number/],
    [["send", "t", "p", "--ttl", "soon"], /duration/],
    [["send", "t", "p", "--ttl", "0s"], /duration/],
    [["send", "t", "p", "--rate", "-1"], /above 0/],
    [["send", "t", "p", "--qos", "3"], /0, 1, 2/],
    [["send", "t", "p", "--wait", "forever"], /acked/],
    [["messages"], /Usage: acktor messages/],
    [["messages", "list", "--state", "lost"], /pending/],
    [["link", "reconnect"], /unknown command/],
    [["pause", "--service", "broker"], /publisher, acker/],
    [["completion", "tcsh"], /bash, zsh, fish/],
    [["--lang", "fr", "status"], /en, ja/],
    [["status", "--url", "nonsense"], /not an http/],
    [["send", "t", "p", "--count", "2", "--idempotency-key", "k"], /one idempotency key/],
    [["dead-letters", "replay"], /no terminal/],
    [["dead-letters", "discard", "--json"], /not_confirmed/],
  ];
  for (const [args, expected] of wrong) {
    const { exit, out, err } = await run(...args);
    assert.deepEqual([exit, out], [2, ""], args.join(" "));
    assert.match(err, expected, args.join(" "));
  }
});

test("PROGRAM-1: wrong arguments are reported in the chosen language, with --json as one line of JSON", async () => {
  const wrong: [string[], string, string][] = [
    [["messages"], "a command is missing", "コマンド"],
    [["statsu"], "unknown command 'statsu' (did you mean status?)", "もしかして: status"],
    [["status", "--jsno"], "unknown option '--jsno' (did you mean --json?)", "もしかして: --json"],
    [["send", "topic"], "missing required argument 'payload'", "引数 'payload'"],
    [["send", "t", "p", "--count"], "option '--count <n>' needs a value", "オプション '--count <n>'"],
    [["status", "more"], "too many arguments: expected 0, got 1", "引数が多すぎます"],
    [["send", "t", "p", "--qos", "3"], "'--qos <level>' cannot be '3'. It must be one of 0, 1, 2.", "いずれか"],
    [
      ["send", "t", "p", "--count", "0"],
      "'--count <n>' cannot be '0'. It must be a whole number",
      "整数でなければなりません",
    ],
    [["completion", "tcsh"], "'shell' cannot be 'tcsh'. It must be one of bash, zsh, fish.", "'shell' に 'tcsh'"],
    [["chaos", "run", "cut", "--seed", "x"], "A whole number is needed.", "整数を指定"],
  ];
  for (const [args, english, japanese] of wrong) {
    for (const [lang, said] of [
      ["en", english],
      ["ja", japanese],
    ] as const) {
      const { exit, out, err } = await run(...args, "--json", "--lang", lang);
      assert.deepEqual([exit, out, err.split("\n").length], [2, "", 2], args.join(" "));
      const { error } = failureOutput.parse(JSON.parse(err));
      assert.deepEqual([error.code, error.exit], ["wrong_usage", 2]);
      assert.ok(error.message.includes(said), `${args.join(" ")}: ${error.message}`);
      if (lang === "ja") assert.doesNotMatch(error.message, /unknown|missing|invalid|argument/, args.join(" "));
    }
  }
  assert.match((await run("--lang", "fr", "--json")).err, /^\{"error":\{"code":"wrong_usage"/);
  assert.match(
    (await run("a\u001b[2J\nb")).err,
    /^error: unknown command 'a\\u001b\[2J b'\n/,
    "nothing typed moves the cursor",
  );
  assert.match((await run("statsu", "--", "--json")).err, /^error: /, "arguments after -- are not options");
});

test("completion as JSON holds the script", async () => {
  const { exit, out } = await run("completion", "bash", "--json");
  assert.equal(exit, 0);
  const { shell, script } = completionOutput.parse(JSON.parse(out));
  assert.deepEqual([shell, `${script}\n`], ["bash", (await run("completion", "bash")).out]);
});

test("a token on the command line causes a warning, and no help shows the option", async () => {
  const { err } = await run("status", "--token", "canary", "--url", "http://127.0.0.1:1");
  assert.match(err, /warning: a token on the command line/);
  assert.doesNotMatch(err, /canary/);
  assert.doesNotMatch((await run("--help")).out, /--token </);
});

test("the reference lists exactly the codes of the command", () => {
  const folder = path.join(import.meta.dirname, "../../../tools/cli/src");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const used = sources
    .map((name) => readFileSync(path.join(folder, name), "utf8"))
    .flatMap((text) => [...text.matchAll(/(?:\bcode: |usage\()"([a-z_]+)"/g)].map((match) => match[1]));
  assert.deepEqual([...new Set(used)].sort(), Object.keys(CLI_CODES).sort());
});

test("completion: what can follow each command", () => {
  const entries = new Map(completionEntries(program).map(({ path, words }) => [path, words.map((word) => word.text)]));
  assert.ok(entries.get("")?.includes("dead-letters"));
  assert.deepEqual(entries.get("link")?.slice(0, 3), ["connect", "disconnect", "reset"]);
  assert.ok(entries.get("dead-letters replay")?.includes("--dry-run"));
  assert.deepEqual(entries.get("completion")?.slice(0, 3), ["bash", "zsh", "fish"]);
  for (const words of entries.values()) assert.ok(words.includes("--json") && !words.includes("--token"));
});

test("the bash script is bash, and completes", async () => {
  const script = completionScript("bash", program);
  await exec("bash", ["-n", "-c", script]);
  const complete = async (...words: string[]): Promise<string[]> => {
    const typed = words.map((word) => `'${word}'`).join(" ");
    const ask = `${script}\nCOMP_WORDS=(acktor ${typed}); COMP_CWORD=${words.length}; _acktor; echo "\${COMPREPLY[@]}"`;
    return (await exec("bash", ["--norc", "-c", ask])).stdout.trim().split(" ");
  };
  assert.deepEqual(await complete("dead"), ["dead-letters"]);
  assert.deepEqual(await complete("dead-letters", "dis"), ["discard"]);
  assert.deepEqual(await complete("--url", "http://x", "link", "re"), ["reset"]);
  assert.deepEqual(await complete("dead-letters", "replay", "--dry"), ["--dry-run"]);
  assert.deepEqual(await complete("completion", "z"), ["zsh"]);
  const all = await complete("");
  for (const command of program.commands) assert.ok(all.includes(command.name()), command.name());
});

test("the other scripts name every command, and quote their texts", () => {
  for (const texts of [english, japanese]) {
    const translated = makeProgram(texts, async () => undefined);
    for (const shell of ["zsh", "fish"] as const) {
      const script = completionScript(shell, translated);
      for (const command of commands)
        assert.ok(
          script.includes(`'${pathOf(command).join(" ")}'`) || script.includes(`"${pathOf(command).join(" ")}"`),
          pathOf(command).join(" "),
        );
      assert.doesNotMatch(script, /undefined|\[object/);
    }
  }
});
