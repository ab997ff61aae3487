/**
 * The programs of docker-compose.yml as its containers run them: which filters `init` accepts, and that none of them prints
 * a secret, because a container's output is a log.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { readAckerConfig } from "@acktor/acker/config";
import { cleanUp } from "../support/cleanup.ts";
import { hasOpenssl, testFolder } from "../support/compose-certificates.ts";
import { environment, ROOT } from "../support/processes.ts";
import { until } from "../support/until.ts";

const PROGRAMS = path.join(ROOT, "tools/compose/src");

interface Container {
  readonly said: () => string;
  readonly ended: Promise<number | null>;
  stop(): void;
}

function start(t: TestContext, program: string, args: readonly string[], env: Record<string, string> = {}): Container {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--conditions=source", path.join(PROGRAMS, `${program}.ts`), ...args],
    { cwd: ROOT, env: { ...environment(), ...env }, stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 },
  );
  cleanUp(t, () => child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  return { said: () => said, ended, stop: () => child.kill("SIGTERM") };
}

interface Folders {
  readonly keys: string;
  readonly target: string;
}

function initArgs({ keys, target }: Folders, topics: string): string[] {
  return ["--keys", keys, "--target", target, "--topics", topics];
}

const BAD_FILTERS = [
  "delivery/#",
  "#",
  "+/ack/#",
  "+/#",
  "delivery/+/x",
  "+/acker/+",
  "sensors/#, delivery/ack/#",
  "$SYS/#",
];

test("TOPICS-3: init rejects each filter that selects acktor's own topics, names it, and creates nothing", async (t) => {
  const refuse = async (topics: string): Promise<void> => {
    const folders = { keys: path.join(testFolder(t), "keys"), target: path.join(testFolder(t), "for") };
    const init = start(t, "init", initArgs(folders, topics));
    assert.equal(await init.ended, 2, `${topics}: ${init.said()}`);
    assert.match(init.said(), /ACKTOR_TOPICS has ".+", which (selects topics under|starts with \$)/, topics);
    assert.ok(!existsSync(folders.keys) && !existsSync(folders.target), `${topics}: something was made`);
  };
  await Promise.all(BAD_FILTERS.map(refuse));
});

test("TOPICS-3: an acker rejects the same filters except #, for which it leaves out acktor's own topics", () => {
  const faultsOf = (topics: string): readonly string[] => {
    const env = { DATABASE_URL: "postgres://a@127.0.0.1/a", MQTT_URL: "mqtt://127.0.0.1", ACKTOR_TOPICS: topics };
    const read = readAckerConfig(env);
    return read.ok ? [] : read.faults;
  };
  for (const topics of BAD_FILTERS.filter((one) => one !== "#"))
    assert.match(faultsOf(topics).join(), /ACKTOR_TOPICS has \S+, which (selects topics under|starts with \$)/, topics);
  for (const topics of ["#", "sensors/#,orders/+/created"]) assert.deepEqual(faultsOf(topics), []);
  const moved = { ACKTOR_TOPICS: "mine/#", ACKTOR_ACK_PREFIX: "mine/ack", ACKTOR_PRESENCE_PREFIX: "other/acker" };
  const read = readAckerConfig({ DATABASE_URL: "postgres://a@127.0.0.1/a", MQTT_URL: "mqtt://127.0.0.1", ...moved });
  assert.ok(!read.ok && read.faults.join().includes("mine/ack"), "the prefixes are those that are configured");
});

/** Every secret that `init` has created, and the passwords in addresses. */
function secretsIn({ keys, target }: Folders): Map<string, string> {
  const secrets = new Map<string, string>();
  for (const name of readdirSync(path.join(keys, "secrets"))) {
    secrets.set(name, readFileSync(path.join(keys, "secrets", name), "utf8").trim());
  }
  for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".key")) continue;
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    secrets.set(file, readFileSync(file, "utf8").split("\n")[1] ?? "");
  }
  return secrets;
}

function holdsNone(secrets: ReadonlyMap<string, string>, program: string, said: string): void {
  assert.notEqual(said, "", `${program} said nothing`);
  for (const [name, secret] of secrets) {
    assert.ok(secret.length >= 20, name);
    assert.ok(!said.includes(secret), `${program} printed ${name}`);
  }
  assert.doesNotMatch(said, /token=/, program);
}

test("FRONT-1: no container prints a secret: init, migrate, front, chaos, fault", async (t) => {
  if (!hasOpenssl(t)) return;
  const folders = { keys: testFolder(t), target: testFolder(t) };
  const init = start(t, "init", initArgs(folders, "sensors/#"));
  assert.equal(await init.ended, 0, init.said());
  const secrets = secretsIn(folders);
  assert.ok(secrets.size >= 12, [...secrets.keys()].join());
  holdsNone(secrets, "init", init.said());
  const again = start(t, "init", initArgs(folders, "sensors/#"));
  assert.equal(await again.ended, 0);
  holdsNone(secrets, "init, again", again.said());
  const file = (name: string): string => path.join(folders.target, name);
  await Promise.all([
    migratePrintsNone(t, secrets, file("migrate/database-url")),
    frontPrintsNone(t, secrets, file("front/api-token")),
    chaosPrintsNone(t, secrets),
  ]);
});

type Secrets = ReadonlyMap<string, string>;

/** The address itself is invalid, so that the fault is about the text that holds the password. */
async function migratePrintsNone(t: TestContext, secrets: Secrets, urlFile: string): Promise<void> {
  for (const env of [
    { DATABASE_URL: readFileSync(urlFile, "utf8").replace("postgres://", "mysql://") },
    { DATABASE_URL: `${readFileSync(urlFile, "utf8")}?sslmode=nonsense`, DATABASE_CA: "none" },
    { DATABASE_URL: readFileSync(urlFile, "utf8"), DATABASE_URL_FILE: urlFile },
  ]) {
    const migrate = start(t, "migrate", ["publisher=acktor_publisher", "strange=role"], env);
    assert.equal(await migrate.ended, 2, migrate.said());
    holdsNone(secrets, "migrate", migrate.said());
  }
}

async function frontPrintsNone(t: TestContext, secrets: Secrets, tokenFile: string): Promise<void> {
  const publisher = http.createServer((_request, response) => response.end('{"total_messages":1}'));
  await new Promise<void>((resolve) => publisher.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => publisher.close());
  cleanUp(t, () => publisher.closeAllConnections());
  const { port } = publisher.address() as AddressInfo;
  const env = { ACKTOR_API_TOKEN_FILE: tokenFile, HTTP_HOST: "127.0.0.1", HTTP_PORT: "0" };
  const front = start(t, "front", [`--publisher=127.0.0.1:${port}`, "--topics", "sensors/#"], env);
  await until(() => front.said().includes("api-token"), 20_000, "the front to say where the token is");
  assert.match(front.said(), /http:\/\/127\.0\.0\.1:8080\n.*docker compose exec front cat \/run\/secrets\/api-token\n/);
  holdsNone(secrets, "front", front.said());
  front.stop();
  await front.ended;
  const broken = start(t, "front", [], { ...env, ACKTOR_API_TOKEN: readFileSync(tokenFile, "utf8") });
  assert.equal(await broken.ended, 2, "token and its file are both set");
  holdsNone(secrets, "front, misconfigured", broken.said());
}

async function chaosPrintsNone(t: TestContext, secrets: Secrets): Promise<void> {
  const fault = start(t, "fault", ["list"]);
  assert.equal(await fault.ended, 0, fault.said());
  holdsNone(secrets, "fault", fault.said());
}

test("this file runs every program of the image, except those that print nothing themselves", () => {
  const tried = new Set(["init", "migrate", "front", "fault"]);
  /** It prints the broker's address, which has no password, and connects only to a port of its own container. */
  const others = new Set(["chaos", "healthcheck"]);
  const programs = readdirSync(PROGRAMS)
    .filter((name) => /standard(Output|Error)\./.test(readFileSync(path.join(PROGRAMS, name), "utf8")))
    .map((name) => name.replace(/\.ts$/, ""));
  assert.deepEqual(
    programs.filter((name) => !tried.has(name) && !others.has(name)),
    [],
  );
});
