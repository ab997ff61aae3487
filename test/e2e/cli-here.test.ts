/**
 * `acktor config`, `migrate`, `start`, `completion`: what works on this machine.
 *
 * Runs alone: it needs the standard ports.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  configCheckOutput,
  configOutput,
  doctorOutput,
  failureOutput,
  migrateOutput,
  startOutput,
} from "@acktor/cli/outputs";
import { publisherSettings } from "@acktor/shared/runtime/settings";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { readOutput, runCli, startCli } from "../support/cli.ts";
import { anyPort } from "../support/ports.ts";
import { testDatabase } from "../support/postgres.ts";
import { isAlive } from "../support/processes.ts";
import { until } from "../support/until.ts";

/** Longer than the command waits for one of its own to end after Ctrl-C. */
const SLOW_STOP_MS = 2_000;
const options = { timeout: TEST_LIMIT_MS };

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-cli-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("config print: every setting with its origin, and no secret", options, async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, "secret");
  await writeFile(file, "canary-of-the-file-0123456789\n");
  const env = {
    DATABASE_URL: "postgres://me:canary@db.example/acktor?password=canary",
    MQTT_URL: "mqtts://canary:canary@broker.example",
    MQTT_PASSWORD: "canary",
    NATS_URL: "nats://canary@nats.example",
    ACKTOR_API_TOKEN: "canary-0123456789abcdef",
    ACKTOR_ACK_SECRET_FILE: file,
    ACKTOR_TOPICS: "sensors/#",
    LOG_LEVEL: "debug",
  };
  for (const format of [[], ["--json"]]) {
    const { exit, out, err } = await runCli(t, ["config", "print", ...format], { env });
    assert.equal(exit, 0, err);
    assert.doesNotMatch(out + err, /canary/);
    for (const shown of ["db.example", "broker.example", "nats.example"]) assert.ok(out.includes(shown), shown);
  }
  const ended = await runCli(t, ["config", "print", "publisher", "--json"], { env });
  const [publisher] = readOutput(configOutput, ended).services;
  assert.deepEqual(Object.keys(publisher?.settings ?? {}), Object.keys(publisherSettings));
  assert.deepEqual(publisher?.settings["ACKTOR_ACK_SECRET"], { value: "***", from: "file" });
  assert.deepEqual(publisher?.settings["LOG_LEVEL"], { value: "debug", from: "environment" });
});

test("config check: every fault, as the service would say it", options, async (t) => {
  const env = { DATABASE_URL: "postgres://me:canary@db/x", MQTT_URL: "mqtt://broker", ACKTOR_TOPICS: "sensors/#" };
  const well = await runCli(t, ["config", "check", "--json"], { env });
  assert.deepEqual([well.exit, readOutput(configCheckOutput, well).ok], [0, true], well.out);
  const wrong = {
    ...env,
    ACKTOR_LEASE: "5s",
    ACKTOR_PUBLISH_DEADLINE: "9s",
    ACKTOR_TOPICS: "a/#/b",
    ACKTOR_WINDWO: "1",
  };
  const ended = await runCli(t, ["config", "check", "--json"], { env: wrong });
  assert.equal(ended.exit, 1);
  const { services } = readOutput(configCheckOutput, ended);
  const [publisher = "", acker = ""] = services.map(({ faults }) => faults.join("\n"));
  assert.match(publisher, /ACKTOR_LEASE is shorter/);
  assert.match(publisher, /ACKTOR_WINDWO is not a setting/);
  assert.match(acker, /ACKTOR_TOPICS/);
  const both = { ...env, DATABASE_URL_FILE: "/run/secret" };
  const text = await runCli(t, ["config", "check", "publisher"], { env: both });
  assert.equal(text.exit, 1);
  assert.match(text.out, /DATABASE_URL and DATABASE_URL_FILE are both set/);
  assert.doesNotMatch(text.out + ended.out, /canary/);
});

test("migrate: says what it would apply, applies it once, and can do without a service", options, async (t) => {
  const { url } = await testDatabase(t);
  const env = { DATABASE_URL: url };
  const migrate = async (...args: string[]) => {
    const ended = await runCli(t, ["migrate", "--json", ...args], { env });
    assert.equal(ended.exit, 0, ended.err);
    return readOutput(migrateOutput, ended).schemas;
  };
  const dry = await migrate("--dry-run");
  assert.deepEqual(
    dry.map(({ schema, applied }) => [schema, applied.length]),
    [
      ["publisher", 0],
      ["acker", 0],
    ],
  );
  assert.ok(dry.every(({ pending }) => pending.length > 0));
  const done = await migrate();
  assert.deepEqual(
    done.map(({ applied }) => applied),
    dry.map(({ pending }) => pending),
  );
  assert.deepEqual(await migrate("--dry-run", "--schema", "acker"), [{ schema: "acker", applied: [], pending: [] }]);
  assert.ok((await migrate()).every(({ applied }) => applied.length === 0));
  assert.match((await runCli(t, ["migrate"], { env })).out, /publisher: up to date\nacker: up to date/);
});

test("migrate: without an address, and with an unreachable one", options, async (t) => {
  const fail = async (env: Record<string, string>): Promise<unknown> => {
    const ended = await runCli(t, ["migrate", "--json"], { env });
    assert.doesNotMatch(ended.out + ended.err, /canary/);
    const { error } = failureOutput.parse(JSON.parse(ended.err));
    return [ended.exit, error.code];
  };
  assert.deepEqual(await fail({}), [2, "bad_config"]);
  assert.deepEqual(await fail({ DATABASE_URL: "mysql://me:canary@db" }), [2, "bad_config"]);
  assert.deepEqual(await fail({ DATABASE_URL: "postgres://me:canary@127.0.0.1:1/x" }), [3, "unavailable"]);
});

test("start: the whole pair, which the doctor finds in order, until Ctrl-C", options, async (t) => {
  const cwd = await temporaryFolder(t);
  const ports = { HTTP_PORT: String(await anyPort()), ACKTOR_ACKER_HTTP_PORT: String(await anyPort()) };
  const url = `http://127.0.0.1:${ports.HTTP_PORT}`;
  const started = startCli(t, ["start", "--json"], { cwd, env: ports });
  await started.says(/\n/);
  const sent = await runCli(t, ["send", "a/b", "x", "--wait", "acked", "--url", url]);
  assert.equal(sent.exit, 0, sent.err);
  const ended = await runCli(t, ["doctor", "--json", "--url", url], { cwd });
  const { checks } = readOutput(doctorOutput, ended);
  const unwell = checks.filter(({ check, verdict }) => verdict !== "OK" && check !== "disk");
  assert.deepEqual(unwell, []);
  assert.equal(checks.length, 20);
  // A stop that takes its time is not cut short: the command has handed its signals over.
  const lock = await readFile(path.join(cwd, ".acktor/postgres/data/postmaster.pid"), "utf8");
  const postgres = Number(lock.split("\n")[0]);
  process.kill(postgres, "SIGSTOP");
  cleanUp(t, () => isAlive(postgres).then((alive) => alive && process.kill(postgres, "SIGCONT")));
  started.child.kill("SIGINT");
  const begin = performance.now();
  await until(() => performance.now() - begin > SLOW_STOP_MS || started.child.exitCode !== null, 5_000, "a slow stop");
  assert.equal(started.child.exitCode, null);
  process.kill(postgres, "SIGCONT");
  const { exit, out, err } = await started.ended;
  assert.equal(exit, 0, err);
  assert.match(err, /acktor has stopped/);
  const { publisher } = readOutput(startOutput, { exit, out, err });
  assert.equal(publisher, url);
});

test("start --json: what is wrong is one line of JSON", options, async (t) => {
  const { exit, out, err } = await runCli(t, ["start", "--json"], { env: { ACKTOR_WINDOW: "many", HTTP_PORT: "x" } });
  assert.deepEqual([exit, out], [2, ""]);
  assert.equal(failureOutput.parse(JSON.parse(err)).error.code, "bad_config");
});

test("completion prints a script for each shell", options, async (t) => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { exit, out, err } = await runCli(t, ["completion", shell]);
    assert.deepEqual([exit, err], [0, ""]);
    assert.match(out, /^#.*acktor/);
  }
});
