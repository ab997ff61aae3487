/** `acktor status`, `watch`, the operator's commands; tokens, services that are away. */
import assert from "node:assert/strict";
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
import { startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };

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

test("an operator's commands act, or are refused when the state does not allow them", options, async (t) => {
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
  const audit = await stage.sql("select distinct who, said from publisher.operator_action");
  assert.deepEqual(audit, [{ who: "local", said: "ana" }]);
  assert.equal((await runCli(t, ["drain"], { env })).exit, 0);
  assert.equal((await publisher.exited).code, 0);
});

test(
  "CLI_WATCH-1: watch shows and records transitions across a restart of the service; the recording is played back",
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

test("a wrong token is refused, and no output contains a token", options, async (t) => {
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
  for (const args of [["status"], ["dead-letters", "list"]]) {
    assert.equal(await ask(args, {}), 2, args.join(" "));
    assert.equal(await ask(args, { ACKTOR_API_TOKEN: "canary-of-another" }), 2, args.join(" "));
    assert.equal(await ask(args, { ACKTOR_API_TOKEN: token }), 0, args.join(" "));
    assert.equal(await ask([...args, "--token-file", file], {}), 0, args.join(" "));
    assert.equal(await ask(args, { ACKTOR_API_TOKEN_FILE: file }), 0, args.join(" "));
  }
  const doctor = ["doctor", "--listen", "1ms"];
  assert.equal(await ask(doctor, { ...servers, ACKTOR_API_TOKEN: "canary-of-another" }), 1);
  assert.equal(await ask(doctor, { ...servers, ACKTOR_API_TOKEN: token }), 0);
  const watching = startCli(t, ["watch", "--url", publisher.url], { env: { ACKTOR_API_TOKEN: token } });
  await watching.says(/publisher/);
  watching.child.kill("SIGINT");
  assert.equal((await watching.ended).exit, 130);
});

test(
  "with the service unreachable every command that needs it exits with 3 and names the address",
  options,
  async (t) => {
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
  },
);

test(
  "with PostgreSQL unreachable status still shows the connection, and other commands exit with 3",
  options,
  async (t) => {
    const cluster = await startCluster(t);
    const stage = await setStage(t, { broker: AEDES, databaseUrl: cluster.url });
    const publisher = await stage.publisher();
    const env = { ACKTOR_URL: publisher.url };
    await cluster.kill();
    assert.equal((await runCli(t, ["send", anyTopic(), "x"], { env })).exit, 3);
    assert.equal((await runCli(t, ["messages", "list"], { env })).exit, 3);
    const status = await runCli(t, ["status", "--json"], { env });
    assert.deepEqual([status.exit, readOutput(statusOutput, status).stats], [0, null]);
  },
);
