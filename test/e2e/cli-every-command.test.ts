/**
 * Every command of the terminal once in each of its forms, against a real pair: piped in English and in Japanese, without an
 * escape sequence (`runCli` checks it), and as JSON that fits its schema. A command that is missing in the table fails the test.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  changeOutput,
  completionOutput,
  configCheckOutput,
  configOutput,
  controlOutput,
  deadLettersOutput,
  doctorOutput,
  messageOutput,
  messagesOutput,
  migrateOutput,
  revokedOutput,
  sendOutput,
  statusOutput,
  tokenOutput,
  tokensOutput,
  watchLine,
} from "@acktor/cli/outputs";
import { makeProgram, withDescendants } from "@acktor/cli/program";
import { english } from "@acktor/cli/texts/english";
import type { Command } from "commander";
import { z } from "zod";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { type Ended, runCli, startCli } from "../support/cli.ts";
import { anyTopic, linkState, type PublisherProcess, setStage } from "../support/pair.ts";
import { until } from "../support/until.ts";

interface Walk {
  readonly args: readonly string[];
  readonly schema: z.ZodType;
  /** Allowed exit codes. Default: 0. */
  readonly exits?: readonly number[];
  /** Output without Japanese: a script, or the message's content. */
  readonly wordless?: boolean;
}

const JAPANESE = /[\u3040-\u30ff\u4e00-\u9fff]/;
/** Commands with their own tests, each with its own pair: cli-here, chaos-*, cli-operating. They run until they are stopped. */
const ELSEWHERE = ["start", "demo", "chaos run", "watch"];

function pathOf(command: Command): string {
  return command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`.trim();
}

test("every command: in two languages without an escape sequence, and as JSON by its schema", {
  timeout: TEST_LIMIT_MS,
}, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const env = { ACKTOR_URL: publisher.url, DATABASE_URL: stage.databaseUrl, MQTT_URL: stage.broker.url };
  const id = await publisher.send({ topic: anyTopic(), content: "x" });
  await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the message to be acknowledged");
  const recording = await record(t, publisher, env);
  const walks: Record<string, Walk> = {
    status: { args: [], schema: statusOutput },
    "replay-recording": { args: [recording, "--no-wait"], schema: watchLine, wordless: true },
    send: { args: [anyTopic(), "21.5", "--wait", "acked"], schema: sendOutput },
    "messages list": { args: [], schema: messagesOutput },
    "messages show": { args: [id], schema: messageOutput },
    "dead-letters list": { args: [], schema: deadLettersOutput },
    "dead-letters show": { args: [], schema: messagesOutput },
    "dead-letters replay": { args: ["--dry-run"], schema: changeOutput },
    "dead-letters discard": { args: ["--dry-run"], schema: changeOutput },
    "link disconnect": { args: [], schema: controlOutput },
    "link connect": { args: [], schema: controlOutput },
    "breaker open": { args: [], schema: controlOutput },
    "breaker close": { args: [], schema: controlOutput },
    "link reset": { args: [], schema: controlOutput, exits: [0, 1] },
    pause: { args: [], schema: controlOutput },
    resume: { args: [], schema: controlOutput },
    "token create": { args: ["team", "--scope", "read"], schema: tokenOutput, exits: [0, 1], wordless: true },
    "token list": { args: [], schema: tokensOutput },
    "token revoke": { args: ["team"], schema: revokedOutput, exits: [0, 1], wordless: true },
    doctor: { args: [], schema: doctorOutput, exits: [0, 1] },
    "config print": { args: [], schema: configOutput },
    "config check": { args: ["publisher"], schema: configCheckOutput },
    migrate: { args: ["--dry-run"], schema: migrateOutput },
    completion: { args: ["bash"], schema: completionOutput, wordless: true },
    "chaos list": { args: [], schema: z.array(z.looseObject({ name: z.string() })) },
    drain: { args: [], schema: controlOutput },
  };
  const commands = withDescendants(makeProgram(english, async () => undefined));
  const leaves = commands.filter((command) => command.commands.length === 0).map(pathOf);
  assert.deepEqual([...Object.keys(walks), ...ELSEWHERE].sort(), leaves.sort());

  for (const [name, walk] of Object.entries(walks)) {
    const run = (...more: string[]) => runCli(t, [...name.split(" "), ...walk.args, ...more], { env });
    // A drain stops the service: it runs last, in one form.
    const outputs = { json: await run("--json"), en: await run(), ja: await run("--lang", "ja") };
    const isDrain = name === "drain";
    checkJson(name, outputs.json, walk);
    if (isDrain) break;
    if (name === "link connect") await until(async () => (await linkState(publisher)) === "CONNECTED", 10_000, name);
    checkWords(name, outputs, walk);
  }
});

/** A second of what an instance does, recorded. */
async function record(t: TestContext, publisher: PublisherProcess, env: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-cli-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, "recording.jsonl");
  const watching = startCli(t, ["watch", "--record", file], { env });
  await watching.says(/CONNECTED/);
  await publisher.send({ topic: anyTopic(), content: "seen" });
  await watching.says(/acknowledged/);
  watching.child.kill("SIGINT");
  assert.equal((await watching.ended).exit, 130);
  return file;
}

function checkJson(name: string, ended: Ended, { schema, exits = [0] }: Walk): void {
  assert.ok(exits.includes(ended.exit ?? -1), `${name} --json: ${ended.exit} ${ended.out}${ended.err}`);
  // A refusal goes to standard error, with another schema (cli-operating).
  if (ended.exit === 0 || ended.out !== "") {
    assert.notEqual(ended.out, "", `${name} --json prints nothing: ${ended.err}`);
    for (const line of ended.out.trim().split("\n")) schema.parse(JSON.parse(line));
  }
}

/** A message in the user's language. A repeated command may be refused the second time, also with a message. */
function checkWords(name: string, { en, ja }: Readonly<Record<"en" | "ja", Ended>>, walk: Walk): void {
  const { schema, exits = [0], wordless = false } = walk;
  const allowed = schema === controlOutput ? [0, 1] : exits;
  for (const ended of [en, ja]) assert.ok(allowed.includes(ended.exit ?? -1), `${name}: ${ended.exit} ${ended.err}`);
  assert.notEqual(en.out + en.err, "", name);
  if (wordless) return;
  assert.match(ja.out + ja.err, JAPANESE, `${name} --lang ja`);
  assert.doesNotMatch(en.out + en.err, JAPANESE, `${name} in English`);
}
