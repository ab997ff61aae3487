/** The embedded PostgreSQL: its life, and every failure that a person can meet. */
import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { type EmbeddedPostgres, type PostgresOptions, startPostgres } from "@acktor/embedded/postgres";
import { findBinaries } from "@acktor/embedded/postgres-binaries";
import { SILENT } from "@acktor/embedded/progress";
import { createPool } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { anyPort } from "../support/ports.ts";
import { isAlive, run } from "../support/processes.ts";
import { until } from "../support/until.ts";

// What only root, or only Linux, can do is left out elsewhere.
const AS_ROOT = process.getuid?.() === 0;
const ON_LINUX = process.platform === "linux";

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor pg "));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function started(
  t: TestContext,
  options: Partial<PostgresOptions> & { dataDir: string },
): Promise<EmbeddedPostgres> {
  const outcome = await startPostgres({
    port: await anyPort(),
    narrator: { say: (line) => t.diagnostic(line) },
    ...options,
  });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.message);
  cleanUp(t, () => outcome.value.stop());
  return outcome.value;
}

async function failureOf(
  options: Partial<PostgresOptions> & { dataDir: string },
): Promise<{ kind: string; text: string }> {
  const outcome = await startPostgres({ port: await anyPort(), narrator: SILENT, ...options });
  if (outcome.ok) await outcome.value.stop();
  assert.ok(!outcome.ok, "it started");
  return { kind: outcome.failure.kind, text: `${outcome.failure.message} ${outcome.failure.fix}` };
}

async function query<Row>(url: string, text: string): Promise<readonly Row[]> {
  const pool = createPool({ url, size: 1, applicationName: "acktor-test" });
  const result = await pool.run<Row>(text);
  await pool.stop();
  assert.ok(result.ok, result.ok ? "" : result.failure.message);
  return result.rows;
}

test("POSTGRES-1: starts on new data, keeps it, and finds it again; durable, local, with a password", async (t) => {
  const dataDir = path.join(await temporaryFolder(t), "with a space");
  const first = await started(t, { dataDir });
  const [settings] = await query<Record<string, string>>(
    first.url,
    `select current_setting('fsync') fsync, current_setting('synchronous_commit') sync, current_setting('listen_addresses') at,
            current_setting('server_encoding') encoding, current_setting('unix_socket_directories') sockets`,
  );
  assert.deepEqual({ ...settings }, { fsync: "on", sync: "on", at: "127.0.0.1", encoding: "UTF8", sockets: "" });
  await query(first.url, "create table kept as select 42 as answer");
  await Promise.all([first.stop(), first.stop()]);
  assert.equal(await isAlive(first.pid), false);
  const second = await started(t, { dataDir });
  assert.equal((await query<{ answer: number }>(second.url, "select answer from kept"))[0]?.answer, 42);
  for (const name of ["password", "url", "postgres.log"]) {
    assert.equal((await stat(path.join(dataDir, name))).mode & 0o077, 0, `${name} is for its owner alone`);
  }
  const strange = new URL(second.url);
  strange.password = "wrong";
  const pool = createPool({ url: strange.href, size: 1, applicationName: "acktor-test" });
  const refused = await pool.run("select 1");
  await pool.stop();
  assert.equal(refused.ok ? "" : refused.failure.code, "28P01");
});

test("DATA-2, DATA-3: a server in use keeps running, and the failure names it", async (t) => {
  const dataDir = await temporaryFolder(t);
  const server = await started(t, { dataDir });
  const { kind, text } = await failureOf({ dataDir });
  assert.equal(kind, "in-use");
  assert.match(text, new RegExp(`process ${server.pid}\\b.*ACKTOR_DATA_DIR`, "s"));
  await query(server.url, "select 1");
});

test("DATA-2: a lock file of a killed server whose number another process has does not prevent the next start", async (t) => {
  const dataDir = await temporaryFolder(t);
  const server = await started(t, { dataDir });
  const lock = path.join(dataDir, "data/postmaster.pid");
  const text = await readFile(lock, "utf8");
  process.kill(server.pid, "SIGKILL");
  await until(async () => !(await isAlive(server.pid)), 5_000, "the server to go");
  await writeFile(lock, text.replace(/^\d+/, String(process.pid)));
  await query((await started(t, { dataDir })).url, "select 1");
});

if (ON_LINUX) {
  test("POSTGRES-2, POSTGRES-3: killed with its starter by -9, the server is stopped by the kernel's signal", async (t) => {
    const dataDir = await temporaryFolder(t);
    const script = `
    import { startPostgres } from "@acktor/embedded/postgres";
    const outcome = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, port: ${await anyPort()}, narrator: { say() {} } });
    console.log(outcome.ok ? "pid " + outcome.value.pid + "." : outcome.failure.message);
    process.stdin.resume();
    await new Promise(() => setInterval(() => {}, 60_000));
  `;
    const args = ["--import", "tsx", "--conditions=source", "--input-type=module", "-e", script];
    const starter = run(t, process.execPath, args);
    const postmaster = Number((await starter.says(/pid (\d+)\./))[1]);
    await starter.kill();
    await until(async () => !(await isAlive(postmaster)), 5_000, "the postmaster to end");
    await query((await started(t, { dataDir })).url, "select 1");
  });
}

test("POSTGRES-4: a configured port that is taken", async (t) => {
  const port = await anyPort();
  const other = net.createServer().listen(port, "127.0.0.1");
  cleanUp(t, () => other.close());
  const { kind, text } = await failureOf({ dataDir: await temporaryFolder(t), port });
  assert.equal(kind, "port-taken");
  assert.match(text, new RegExp(`${port}.*another port`));
});

test("data of another major version", async (t) => {
  const dataDir = await temporaryFolder(t);
  await mkdir(path.join(dataDir, "data"));
  await writeFile(path.join(dataDir, "data/PG_VERSION"), "16\n");
  const { kind, text } = await failureOf({ dataDir });
  assert.equal(kind, "wrong-version");
  assert.match(text, /PostgreSQL 16; this one is 18.*pg_dump/);
});

test("a data folder that is a file", async (t) => {
  const dataDir = path.join(await temporaryFolder(t), "file");
  await writeFile(dataDir, "");
  const { kind, text } = await failureOf({ dataDir });
  assert.equal(kind, "not-writable");
  assert.match(text, /ACKTOR_DATA_DIR/);
});

if (ON_LINUX) {
  test("a data folder where none can be made, though its parent is there", async () => {
    const { kind, text } = await failureOf({ dataDir: "/proc/none" });
    assert.equal(kind, "not-writable");
    assert.match(text, /ACKTOR_DATA_DIR/);
  });
}

if (AS_ROOT && ON_LINUX) {
  test("a full disk", async (t) => {
    const dataDir = await temporaryFolder(t);
    const mounted = run(t, "mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", dataDir]);
    if ((await mounted.exited).code !== 0) return t.diagnostic("mounting is not allowed here");
    cleanUp(t, () => run(t, "umount", [dataDir]).exited);
    const { kind, text } = await failureOf({ dataDir });
    assert.equal(kind, "disk-full");
    assert.match(text, /free some space/);
  });
}

test("a password that does not fit the data", async (t) => {
  const dataDir = await temporaryFolder(t);
  await (await started(t, { dataDir })).stop();
  await writeFile(path.join(dataDir, "password"), "forgotten");
  const { kind, text } = await failureOf({ dataDir });
  assert.equal(kind, "refused");
  assert.match(text, /password.*does not match/);
});

test("stopping while it starts leaves nothing", async (t) => {
  const dataDir = await temporaryFolder(t);
  const controller = new AbortController();
  const starting = failureOf({ dataDir, signal: controller.signal, narrator: { say: () => controller.abort() } });
  assert.equal((await starting).kind, "stopped");
  await started(t, { dataDir });
});

if (AS_ROOT) {
  test("as root with user namespaces refused: runs as an account, through a 0700 folder too", async (t) => {
    const closed = await temporaryFolder(t);
    await chmod(closed, 0o700);
    const tools = path.join(closed, "tools");
    await mkdir(tools);
    const path_ = process.env["PATH"];
    await symlink("/usr/bin/setpriv", path.join(tools, "setpriv"));
    process.env["PATH"] = tools;
    cleanUp(t, () => {
      process.env["PATH"] = path_;
    });
    const dataDir = path.join(closed, "home");
    const server = await started(t, { dataDir });
    await query(server.url, "select 1");
    const { uid } = await stat(`/proc/${server.pid}`);
    assert.notEqual(uid, 0);
    assert.equal((await stat(path.join(dataDir, "data"))).uid, uid);
    await server.stop();
    process.env["PATH"] = path_;
    // The data belongs to that account now, and is served as that account from here on.
    const again = await started(t, { dataDir });
    assert.equal((await stat(`/proc/${again.pid}`)).uid, uid);
  });
}

test("install scripts off: libraries are found without the package's links", async (t) => {
  const found = findBinaries();
  assert.ok(found.ok);
  const copy = path.join(await temporaryFolder(t), "native");
  const copied = run(t, "cp", ["-al", path.dirname(found.value.bin), copy]);
  assert.equal((await copied.exited).code, 0, copied.output());
  const unlinked = run(t, "find", [copy, "-type", "l", "-delete"]);
  assert.equal((await unlinked.exited).code, 0);
  const binaries = { bin: path.join(copy, "bin"), lib: path.join(copy, "lib") };
  if (AS_ROOT) await chown(path.dirname(copy), 0, 0);
  const server = await started(t, { dataDir: await temporaryFolder(t), binaries });
  await query(server.url, "select upper('ä')");
});
