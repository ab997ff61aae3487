/** The small parts of the embedded default: tables, the stack, the log file, the plan. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { demoTexts } from "@acktor/embedded/demo-texts";
import { openLogFile } from "@acktor/embedded/log-file";
import { readPlan } from "@acktor/embedded/plan";
import { Progress, QUIET_MS } from "@acktor/embedded/progress";
import { runCommand } from "@acktor/embedded/run-command";
import { Stack } from "@acktor/embedded/stack";
import { renderTable, textWidth } from "@acktor/embedded/table";

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-unit-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a table is aligned by columns of the terminal, not by characters", () => {
  const lines = renderTable(
    "接続情報",
    ["項目", "値"],
    [
      ["状態", "CONNECTED"],
      ["クライアントID", "a"],
    ],
  ).split("\n");
  assert.equal(lines[0], "接続情報");
  assert.deepEqual([...new Set(lines.slice(1).map(textWidth))], [textWidth(lines[1] ?? "")]);
  assert.equal(textWidth("クライアントID"), 14);
  assert.equal(textWidth("state"), 5);
});

test("STACK-1, STACK-2: the stack stops the last part first, once, and names parts that do not stop", async () => {
  const events: string[] = [];
  const stack = new Stack({ say: (line) => events.push(line) });
  const part = (name: string, stop: () => Promise<void> | void) => ({ name, limitMs: 20, stop });
  stack.add(part("first", () => void events.push("first")));
  stack.add(part("hanging", () => new Promise<void>(() => {})));
  stack.add(part("failing", () => Promise.reject(new Error("no"))));
  stack.add(part("last", () => void events.push("last")));
  assert.deepEqual(await Promise.all([stack.stop(), stack.stop()]), [false, false]);
  assert.deepEqual(events, ["last", "failing failed to stop: no", "hanging did not stop within 0.02 s", "first"]);
});

test("LOGFILE-1: a full log file is replaced, and the previous one is kept", async (t) => {
  const file = path.join(await temporaryFolder(t), "log");
  const log = openLogFile(file, 100);
  for (let i = 0; i < 20; i++) log.write(`${"x".repeat(29)}\n`);
  log.close();
  log.close();
  log.write("dropped");
  const sizes = await Promise.all([file, `${file}.1`].map(async (name) => (await stat(name)).size));
  assert.ok(
    sizes.every((size) => size > 0 && size <= 130),
    String(sizes),
  );
  assert.doesNotMatch(await readFile(file, "utf8"), /dropped/);
});

test("LOGFILE-2: a full disk costs log lines only, and the lost lines are counted when there is room", async (t) => {
  const file = path.join(await temporaryFolder(t), "log");
  const log = openLogFile(file);
  let isFull = true;
  const write = fs.writeSync.bind(fs) as (...args: unknown[]) => number;
  t.mock.method(fs, "writeSync", (...args: unknown[]) => {
    if (isFull) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    return write(...args);
  });
  syncBuiltinESMExports();
  try {
    log.write("lost\n");
    log.write("lost, too\n");
    isFull = false;
    log.write("kept\n");
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
    log.close();
  }
  assert.equal(await readFile(file, "utf8"), '{"level":"warn","message":"2 log lines could not be written"}\nkept\n');
});

test("START-1: npm start without settings starts embedded servers on the standard ports", () => {
  const read = readPlan({});
  assert.ok(read.ok);
  assert.deepEqual(
    { ...read.plan, env: {} },
    {
      dataDir: ".acktor",
      ownPostgres: true,
      ownBroker: true,
      httpHost: "127.0.0.1",
      publisherPort: { variable: "HTTP_PORT", port: 8080, fixed: false },
      ackerPort: { variable: "ACKTOR_ACKER_HTTP_PORT", port: 8081, fixed: false },
      needsToken: false,
      env: {},
    },
  );
});

test("servers and ports that are configured are respected", () => {
  const read = readPlan({
    DATABASE_URL: "postgres://u@db/x",
    MQTT_URL: "mqtt://broker",
    HTTP_PORT: "9000",
    ACKTOR_ACKER_HTTP_PORT: "9001",
    ACKTOR_DATA_DIR: "/data",
  });
  assert.ok(read.ok);
  const { ownPostgres, ownBroker, publisherPort, ackerPort, dataDir } = read.plan;
  assert.deepEqual([ownPostgres, ownBroker, dataDir], [false, false, "/data"]);
  assert.deepEqual(
    [publisherPort.port, publisherPort.fixed, ackerPort.port, ackerPort.fixed],
    [9000, true, 9001, true],
  );
});

test("all faults of the tools and of both services are found at once, each once", () => {
  const read = readPlan({
    HTTP_PORT: "x",
    ACKTOR_ACKER_HTTP_PORT: "99999",
    ACKTOR_WINDOW: "0",
    ACKTOR_QUEUE: "-1",
    ACKTOR_TYPO: "1",
  });
  assert.ok(!read.ok);
  for (const name of ["HTTP_PORT", "ACKTOR_ACKER_HTTP_PORT", "ACKTOR_WINDOW", "ACKTOR_QUEUE", "ACKTOR_TYPO"]) {
    const about: string[] = read.faults.filter((fault) => fault.startsWith(`${name} `));
    assert.ok(about.length >= 1, `${name}: ${read.faults.join("\n")}`);
    assert.equal(new Set(about).size, about.length);
  }
});

test("the demonstration speaks Japanese where the system does", () => {
  assert.equal(demoTexts({ LANG: "ja_JP.UTF-8" }).state, "状態");
  assert.equal(demoTexts({ LC_ALL: "en_US.UTF-8", LANG: "ja_JP.UTF-8" }).state, "State");
  assert.equal(demoTexts({}).state, "State");
});

test("PROGRESS-1: a running step is reported again after QUIET_MS without a line, and no more after its end", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  const lines: string[] = [];
  const progress = new Progress({ say: (line) => lines.push(line.trim()) }, { now: () => now });
  const wait = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  progress.begin("starting PostgreSQL");
  wait(QUIET_MS - 1);
  progress.say("port 5432 is taken");
  wait(QUIET_MS);
  wait(QUIET_MS);
  progress.end();
  wait(10 * QUIET_MS);
  assert.deepEqual(lines, ["port 5432 is taken", "starting PostgreSQL: 8 s", "starting PostgreSQL: 12 s"]);
});

test("COMMAND-1, COMMAND-2: a command ends at its deadline, and only the end of its output is kept", async () => {
  const hangs = "process.stdout.write('x'.repeat(20000) + 'end'); setInterval(() => {}, 1000)";
  const result = await runCommand({ file: process.execPath, args: ["-e", hangs], timeoutMs: 1_500 });
  assert.equal(result.code, null);
  assert.equal(result.output.length, 16_384);
  assert.match(result.output, /xend$/);
});
