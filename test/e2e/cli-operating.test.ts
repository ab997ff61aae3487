/** `acktor status`, `watch`, the operator's commands; tokens, services that are away, Ctrl-C; how fast it starts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { controlOutput, failureOutput, statusOutput, watchLine } from "@acktor/cli/outputs";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { readOutput, runCli, startCli } from "../support/cli.ts";
import { anyTopic, linkState, setStage } from "../support/pair.ts";
import { startCluster } from "../support/postgres.ts";
import { environment, ROOT, run, startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };
const PROGRAM = path.join(ROOT, "tools/cli/acktor.mjs");

test("status of both services, in both languages, once and again and again", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const [publisher, acker] = await Promise.all([stage.publisher(), stage.acker()]);
  const ofPublisher = readOutput(statusOutput, await runCli(t, ["status", "--json", "--url", publisher.url]));
  assert.deepEqual([ofPublisher.status.service, ofPublisher.status.connection.state], ["publisher", "CONNECTED"]);
  assert.notEqual(ofPublisher.stats, null);
  const ofAcker = readOutput(statusOutput, await runCli(t, ["status", "--json", "--url", acker.url]));
  assert.deepEqual([ofAcker.status.service, ofAcker.stats], ["acker", null]);
  const env = { ACKTOR_URL: publisher.url };
  const english = await runCli(t, ["status"], { env });
  for (const title of ["Connection", "Statistics", "Message delivery"])
    assert.match(english.out, new RegExp(`^${title}$`, "m"));
  const japanese = await runCli(t, ["status"], { env: { ...env, LC_ALL: "ja_JP.UTF-8" } });
  assert.match(japanese.out, /^接続情報$/m);

  const watching = startCli(t, ["status", "--watch", "--interval", "100ms", "--json"], { env });
  await watching.says(/\n.*\n.*\n/);
  await publisher.kill();
  await watching.complains(/service_away[^\n]*\n.*service_away/);
  watching.child.kill("SIGINT");
  const { exit, out } = await watching.ended;
  assert.equal(exit, 130);
  for (const line of out.trim().split("\n")) statusOutput.parse(JSON.parse(line));
});

test("operator's commands act, and say so when the state does not allow them", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url, USER: "ana" };
  const command = async (...args: string[]): Promise<unknown> => {
    const ended = await runCli(t, [...args, "--json"], { env });
    if (ended.exit === 0) return controlOutput.parse(JSON.parse(ended.out));
    const { error } = failureOutput.parse(JSON.parse(ended.err));
    return [ended.exit, error.exit, error.code];
  };
  assert.deepEqual(await command("link", "disconnect"), { state: "DISCONNECTED", breaker: "CLOSED" });
  assert.deepEqual(await command("link", "reset"), [1, 1, "conflict"]);
  assert.notEqual((await command("link", "connect")) as object, null);
  await until(async () => (await linkState(publisher)) === "CONNECTED", 10_000, "the link to be CONNECTED again");
  assert.deepEqual(await command("breaker", "open"), { state: "CONNECTED", breaker: "OPEN" });
  await command("breaker", "close");
  assert.deepEqual(await command("pause"), { state: "PAUSED" });
  assert.deepEqual(await command("pause"), [1, 1, "conflict"]);
  assert.deepEqual(await command("resume"), { state: "RUNNING" });
  assert.deepEqual(await command("pause", "--service", "acker"), [2, 2, "invalid_field"]);
  assert.deepEqual(await command("pause", "--service", "acker", "--instance", "nobody"), [3, 3, "no_answer"]);
  const all = (await command("pause", "--service", "publisher", "--instance", "all")) as { replies: { ok: boolean }[] };
  assert.deepEqual(
    all.replies.map(({ ok }) => ok),
    [true],
  );
  await command("resume");
  const audit = await stage.sql<{ who: string }>("select distinct who from publisher.operator_action");
  assert.deepEqual(audit, [{ who: "ana" }]);
  assert.equal((await runCli(t, ["drain"], { env })).exit, 0);
  assert.equal((await publisher.exited).code, 0);
});

test(
  "watch shows and records what happens, past a restart of the service; the recording is shown again",
  options,
  async (t) => {
    const stage = await setStage(t, { broker: AEDES });
    const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
    const env = { ACKTOR_URL: publisher.url };
    const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-cli-"));
    cleanUp(t, () => rm(folder, { recursive: true, force: true }));
    const file = path.join(folder, "incident.jsonl");
    const watching = startCli(t, ["watch", "--record", file], { env });
    const asJson = startCli(t, ["watch", "--json"], { env });
    await watching.says(/link {2}connection\.CONNECTED breaker\.CLOSED/);
    await asJson.says(/"snapshot"/);
    assert.equal((await runCli(t, ["send", anyTopic(), "x", "--wait", "acked"], { env })).exit, 0);
    await watching.says(/acknowledged 1/);
    await asJson.says(/"acknowledged":1/);
    await publisher.kill();
    await stage.publisher({ HTTP_PORT: String(publisher.port) });
    await runCli(t, ["link", "disconnect"], { env });
    await watching.says(/connection\.DISCONNECTED/);
    watching.child.kill("SIGINT");
    asJson.child.kill("SIGINT");
    assert.equal((await watching.ended).exit, 130);
    const { out } = await asJson.ended;
    for (const line of out.trim().split("\n")) watchLine.parse(JSON.parse(line));

    const [head = "", ...lines] = (await readFile(file, "utf8")).trim().split("\n");
    assert.equal((JSON.parse(head) as { kind: string }).kind, "acktor-recording");
    const keys = lines
      .map((line) => JSON.parse(line) as { boot: string; seq: number })
      .map(({ boot, seq }) => `${boot} ${seq}`);
    assert.equal(new Set(keys).size, keys.length, "no event twice");
    const again = await runCli(t, ["replay-recording", file, "--no-wait"]);
    assert.equal(again.exit, 0, again.err);
    assert.match(again.out, /acknowledged 1/);
    assert.match(again.out, /connection\.DISCONNECTED/);
    const json = await runCli(t, ["replay-recording", file, "--no-wait", "--json"]);
    assert.equal(json.out.trim().split("\n").length, lines.length);
    for (const line of json.out.trim().split("\n")) watchLine.parse(JSON.parse(line));

    const taken = await runCli(t, ["watch", "--record", file], { env });
    assert.deepEqual([taken.exit, taken.out], [2, ""]);
    await writeFile(`${file}.cut`, `${head}\n${lines[0]}\n{"v":1,`);
    const cut = await runCli(t, ["replay-recording", `${file}.cut`, "--no-wait"]);
    assert.equal(cut.exit, 1);
    assert.match(cut.err, /line 3 /);
    assert.equal((await runCli(t, ["replay-recording", path.join(folder, "none")])).exit, 2);
  },
);

test("a wrong token is refused, and none is ever said", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-cli-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const token = "canary-0123456789abcdef";
  const file = path.join(folder, "token");
  await writeFile(file, `${token}\n`);
  const servers = { DATABASE_URL: stage.databaseUrl, MQTT_URL: stage.broker.url };
  const publisher = await startService(t, "publisher", { ...servers, ACKTOR_API_TOKEN: token });
  await publisher.ready();
  const ask = async (args: readonly string[], env: Record<string, string>): Promise<number | null> => {
    const { exit, out, err } = await runCli(t, [...args, "--url", publisher.url, "--json"], { env });
    assert.doesNotMatch(out + err, /canary/);
    return exit;
  };
  for (const args of [["status"], ["messages", "list"], ["dead-letters", "list"], ["doctor", "--listen", "1ms"]]) {
    const refused = args[0] === "doctor" ? 1 : 2;
    assert.equal(await ask(args, {}), refused, args.join(" "));
    assert.equal(await ask(args, { ACKTOR_API_TOKEN: "canary-of-another" }), refused, args.join(" "));
    assert.equal(await ask(args, { ...servers, ACKTOR_API_TOKEN: token }), 0, args.join(" "));
    assert.equal(await ask([...args, "--token-file", file], servers), 0, args.join(" "));
    assert.equal(await ask(args, { ...servers, ACKTOR_API_TOKEN_FILE: file }), 0, args.join(" "));
  }
  const watching = startCli(t, ["watch", "--url", publisher.url], { env: { ACKTOR_API_TOKEN: token } });
  await watching.says(/publisher/);
  watching.child.kill("SIGINT");
  assert.equal((await watching.ended).exit, 130);
});

test("with the service away every command that asks it ends with 3 and the address", options, async (t) => {
  const url = "http://127.0.0.1:1";
  const commands = [
    ["status"],
    ["send", "t", "p"],
    ["messages", "list"],
    ["messages", "show", "x"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["dead-letters", "replay", "--yes"],
    ["dead-letters", "discard", "--yes"],
    ["watch"],
    ["pause"],
    ["resume"],
    ["drain"],
    ["link", "connect"],
    ["link", "disconnect"],
    ["link", "reset"],
    ["breaker", "open"],
    ["breaker", "close"],
  ];
  for (const args of commands) {
    const ended = await runCli(t, [...args, "--json"], { env: { ACKTOR_URL: url } });
    assert.deepEqual([ended.exit, ended.out], [3, ""], args.join(" "));
    const { error } = failureOutput.parse(JSON.parse(ended.err));
    assert.equal(error.code, "service_away", args.join(" "));
    assert.match(error.message, /127\.0\.0\.1:1/);
    assert.notEqual(error.fix, "");
  }
});

test("with PostgreSQL away status still shows the connection, and the rest ends with 3", options, async (t) => {
  const cluster = await startCluster(t);
  const stage = await setStage(t, { broker: AEDES, databaseUrl: cluster.url });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url };
  await cluster.kill();
  assert.equal((await runCli(t, ["send", anyTopic(), "x"], { env })).exit, 3);
  assert.equal((await runCli(t, ["messages", "list"], { env })).exit, 3);
  const status = await runCli(t, ["status", "--json"], { env });
  assert.deepEqual([status.exit, readOutput(statusOutput, status).stats], [0, null]);
});

test("Ctrl-C while it waits: 130, and what was sent stays sent", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const topic = anyTopic();
  const sending = startCli(t, ["send", topic, "x", "--wait", "acked", "--timeout", "60s"], {
    env: { ACKTOR_URL: publisher.url },
  });
  const isThere = async (): Promise<boolean> =>
    (await stage.sql("select 1 from publisher.message_delivery where topic = $1", [topic])).length === 1;
  await until(isThere, 20_000, "the message to be accepted");
  sending.child.kill("SIGINT");
  assert.equal((await sending.ended).exit, 130);
});

test("a reader that leaves ends it in silence", options, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const script = `"${process.execPath}" "${PROGRAM}" status --watch --interval 50ms | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const reader = run(t, "bash", ["-c", script], { env: { ACKTOR_URL: publisher.url, LANG: "C" } });
  assert.equal((await reader.exited).code, 0);
  assert.match(reader.output(), /^Connection\n0\n$/);
});

const SCRIPT = "/usr/bin/script";
const noTerminal =
  existsSync(SCRIPT) && process.platform === "linux" ? {} : { skip: "script (util-linux) is not installed" };

test("on a terminal it asks, shows colours, and takes no for an answer", { ...options, ...noTerminal }, async (t) => {
  const stage = await setStage(t, { broker: AEDES });
  const publisher = await stage.publisher();
  const env = { ACKTOR_URL: publisher.url, TERM: "xterm", LANG: "C" };
  await runCli(t, ["send", anyTopic(), "x", "--ttl", "1s", "--wait", "acked"], { env });
  const ask = async (answer: string): Promise<string> => {
    const command = `printf '${answer}\\n' | ${SCRIPT} -qec '"${process.execPath}" "${PROGRAM}" dead-letters discard' /dev/null`;
    const terminal = run(t, "bash", ["-c", command], { env });
    await terminal.exited;
    return terminal.output();
  };
  assert.match(await ask("n"), /Discard 1 messages\? \[y\/N\].*nothing was changed/s);
  assert.equal((await stage.sql("select 1 from publisher.message_delivery where discarded_at is not null")).length, 0);
  assert.match(await ask("yes"), /discarded 1 messages/);
  assert.equal((await stage.sql("select 1 from publisher.message_delivery where discarded_at is not null")).length, 1);
  const status = run(t, SCRIPT, ["-qec", `"${process.execPath}" "${PROGRAM}" status`, "/dev/null"], { env });
  await status.exited;
  assert.ok(status.output().includes("\u001b[32mCONNECTED\u001b[39m"));
});

test("it starts in a quarter of a second beyond what Node itself takes", options, (t) => {
  const medianMs = (args: readonly string[]): number => {
    const times = Array.from({ length: 9 }, () => {
      const begin = performance.now();
      execFileSync(process.execPath, args, { env: environment(), stdio: "ignore" });
      return performance.now() - begin;
    });
    return times.sort((a, b) => a - b)[4] ?? Number.NaN;
  };
  medianMs([PROGRAM, "--version"]);
  const [bare, version, help] = [
    ["-e", "0"],
    [PROGRAM, "--version"],
    [PROGRAM, "--help"],
  ].map(medianMs);
  t.diagnostic(`node ${bare?.toFixed(0)} ms, --version ${version?.toFixed(0)} ms, --help ${help?.toFixed(0)} ms`);
  for (const ms of [version, help])
    assert.ok((ms ?? Number.NaN) - (bare ?? 0) < 250, `${ms} ms, Node alone ${bare} ms`);
});
