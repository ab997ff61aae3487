/**
 * `npm start` as users run it: from a fresh checkout with a space in its path, in a home of mode 0700, as root and as
 * an ordinary user, stopped by Ctrl-C and by kill -9, started again, and next to servers on the standard ports.
 *
 * Runs alone: it needs the standard ports.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { createPool } from "@acktor/shared/db/pool";
import type { MachinesView } from "@acktor/shared/inspect/wire";
import { type Account, type Checkout, copyCheckout } from "../support/checkout.ts";
import { cleanUp } from "../support/cleanup.ts";
import { anyPort } from "../support/ports.ts";
import { type Environment, processesUnder, ROOT, type Running, run } from "../support/processes.ts";
import { until } from "../support/until.ts";

const AS_ROOT = process.getuid?.() === 0;
/** The account `nobody`: no home directory, no files. */
const ORDINARY: Account = { uid: 65_534, gid: 65_534 };

async function freePorts(): Promise<Environment> {
  return { HTTP_PORT: String(await anyPort()), ACKTOR_ACKER_HTTP_PORT: String(await anyPort()) };
}

/** Waits for the welcome, and checks what it shows. Returns the console's address. */
async function welcomed(acktor: Running): Promise<string> {
  await acktor.says(/Ctrl-C stops everything/, 60_000);
  const output = acktor.output();
  const [first = ""] = /\b[a-z]+:\/\/[^\s]+/.exec(output) ?? [];
  assert.match(output, new RegExp(`acktor is ready\\n[^\\n]*${first}\\n`), "the first URL is the console's");
  assert.match(first, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(output.match(/^curl .*$/gm)?.length, 1, output);
  return first;
}

/** Runs the printed command as a user would, and waits until the message is acknowledged. Returns its id. */
async function tryCurl(t: TestContext, acktor: Running, url: string): Promise<string> {
  const line = /^curl .*$/m.exec(acktor.output())?.[0] ?? "";
  const curl = run(t, "sh", ["-c", line]);
  const [, id = ""] = await curl.says(/"message_id":"([0-9a-f-]{36})"/, 10_000);
  await until(async () => (await stateOf(url, id)) === "acknowledged", 10_000, "the acknowledgment");
  return id;
}

async function stateOf(url: string, id: string): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/messages/${id}`);
  return ((await response.json()) as { state?: string }).state;
}

async function assertNothingRuns({ folder }: Checkout): Promise<void> {
  await until(async () => (await processesUnder(folder)).length === 0, 15_000, "every process to end");
}

function launch(t: TestContext, { folder }: Checkout, env: Environment, user?: Account): Running {
  const program = [process.execPath, path.join(folder, "tools/embedded/launch.mjs"), "start"];
  const change = user ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
  const [file = "", ...args] = [...change, ...program];
  return run(t, file, args, { cwd: folder, env, group: true });
}

// START-2, START-3, STOP-1, LAUNCH-1
test("from a fresh checkout: builds, delivers, ends at Ctrl-C, finds its data again, ends with npm", async (t) => {
  const checkout = await copyCheckout(t);
  const env = { ...(await freePorts()), HOME: checkout.home };
  const options = { cwd: checkout.folder, env, group: true };
  const first = run(t, "npm", ["start"], options);
  const id = await tryCurl(t, first, await welcomed(first));
  // Like a terminal at Ctrl-C: every foreground process receives SIGINT. npm forwards it and exits by it.
  process.kill(-first.pid, "SIGINT");
  await first.exited;
  assert.match(first.output(), /acktor has stopped/);
  await assertNothingRuns(checkout);

  const second = run(t, "npm", ["start"], options);
  const url = await welcomed(second);
  assert.doesNotMatch(second.output(), /making a new PostgreSQL/);
  assert.equal(await stateOf(url, id), "acknowledged");
  await second.kill();
  await assertNothingRuns(checkout);
});

// POSTGRES-3, DATA-1
test("killed with -9 while running, or interrupted while starting, it leaves no process", async (t) => {
  const checkout = await copyCheckout(t, { built: true });
  const env = await freePorts();
  const early = launch(t, checkout, env);
  await early.says(/making a new PostgreSQL/);
  process.kill(-early.pid, "SIGINT");
  assert.deepEqual(await early.exited, { code: 0, signal: null });
  await assertNothingRuns(checkout);

  const killed = launch(t, checkout, env);
  await welcomed(killed);
  await killed.kill();
  await assertNothingRuns(checkout);
});

test("each service shows both, and draining one stops both", async (t) => {
  const checkout = await copyCheckout(t, { built: true });
  const acktor = launch(t, checkout, await freePorts());
  const url = await welcomed(acktor);
  const view = (await (await fetch(`${url}/v1/machines`)).json()) as MachinesView;
  assert.deepEqual(view.instances.map(({ service }) => service).sort(), ["acker", "publisher"]);
  assert.deepEqual(view.bus, { kind: "local", connected: true, partial: false });
  const acker = view.instances.find(({ service }) => service === "acker")?.instance;
  const drained = await fetch(`${url}/v1/control/drain?service=acker&instance=${acker}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  assert.equal(drained.status, 200);
  assert.deepEqual(await acktor.exited, { code: 0, signal: null });
  assert.match(acktor.output(), /the acker has stopped/);
  await assertNothingRuns(checkout);
});

/** Makes sure that a standard port is taken; another process may have it already. */
function occupy(t: TestContext, port: number): Promise<void> {
  const server = net.createServer();
  cleanUp(t, () => server.close());
  return new Promise((resolve) => {
    server.once("error", () => resolve());
    server.listen(port, "127.0.0.1", () => resolve());
  });
}

async function standardPortsTaken(t: TestContext, user: Account | undefined): Promise<void> {
  const checkout = await copyCheckout(t, user ? { built: true, owner: user } : { built: true });
  for (const port of [5432, 1883, 8080, 8081]) await occupy(t, port);
  const acktor = launch(t, checkout, { HOME: checkout.home }, user);
  const url = await welcomed(acktor);
  for (const who of ["5432 is taken: PostgreSQL", "1883 is taken: the MQTT broker", "8080 is taken: the publisher"]) {
    assert.match(acktor.output(), new RegExp(`port ${who} uses \\d+`));
  }
  await tryCurl(t, acktor, url);
  acktor.signal("SIGTERM");
  assert.deepEqual(await acktor.exited, { code: 0, signal: null });
  await assertNothingRuns(checkout);
}

if (AS_ROOT) {
  test("as an ordinary user, next to servers on the standard ports", (t) => standardPortsTaken(t, ORDINARY));
} else {
  test("next to servers on the standard ports", (t) => standardPortsTaken(t, undefined));
}

test("a data folder of a pre-release version: nothing opens it, and the fix names the folder", async (t) => {
  const home = await mkdtemp(path.join(os.tmpdir(), "acktor-data-"));
  cleanUp(t, () => rm(home, { recursive: true, force: true }));
  const env: Environment = { ...(await freePorts()), ACKTOR_DATA_DIR: home };
  const first = launch(t, { home, folder: ROOT }, env);
  await welcomed(first);
  const url = (await readFile(path.join(home, "postgres/url"), "utf8")).trim();
  const pool = createPool({ url, size: 1, applicationName: "acktor-test", deadlineMs: 10_000 });
  const aged = await pool.run("insert into acker.migration (name, checksum) values ('0002_handlers.sql', '')");
  await pool.stop();
  assert.ok(aged.ok);
  first.signal("SIGTERM");
  await first.exited;

  const second = launch(t, { home, folder: ROOT }, env);
  assert.deepEqual(await second.exited, { code: 1, signal: null });
  assert.match(second.output(), /This database was made by a pre-release version of acktor\./);
  assert.match(second.output(), new RegExp(`fix: delete the folder ${home}[ /]`));
});

test("a port that was configured and is taken: nothing is started, and the fix is printed", async (t) => {
  const home = await mkdtemp(path.join(os.tmpdir(), "acktor-data-"));
  cleanUp(t, () => rm(home, { recursive: true, force: true }));
  const env: Environment = { ...(await freePorts()), ACKTOR_DATA_DIR: home };
  await occupy(t, Number(env["HTTP_PORT"]));
  const acktor = launch(t, { home, folder: ROOT }, env);
  assert.deepEqual(await acktor.exited, { code: 1, signal: null });
  assert.match(acktor.output(), new RegExp(`Port ${env["HTTP_PORT"]} \\(HTTP_PORT\\) is taken\\.\\n +fix: `));
  assert.doesNotMatch(acktor.output(), /PostgreSQL/);
});

test("configuration that cannot work: all faults in one message, exit 2", async (t) => {
  const wrong = { HTTP_PORT: "x", ACKTOR_QUEUE: "0", ACKTOR_TYPO: "1", LOG_LEVEL: "loud" };
  const acktor = launch(t, { home: ROOT, folder: ROOT }, wrong);
  assert.deepEqual(await acktor.exited, { code: 2, signal: null });
  for (const name of Object.keys(wrong)) assert.match(acktor.output(), new RegExp(`- ${name} `));
});
