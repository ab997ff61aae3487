/**
 * What `npm test` calls.
 *
 *   node test/run.mjs [text …]     only the test files whose path holds one of the texts
 *
 * Invariants:
 *  1. It ends: a test file after 4 minutes, the whole after 28. (Node 20 counts --test-timeout by file.)
 *  2. What it started is stopped, and what the tests left running is found, ended, and counted as a failure.
 *  3. A server that is not installed is named; with ACKTOR_REQUIRE=<its name> it is a failure.
 *
 * Tests of strangers (security), of the pair as a whole (e2e) and of its web page (browser) measure times, so they run after
 * the others and not beside each other.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const FILE_LIMIT_MS = 240_000;
const RUN_LIMIT_MS = 28 * 60_000;
const LEAK_GRACE_MS = 3_000;
const CORES = os.availableParallelism();

const PHASES = [
  { name: "unit, model, integration", folders: ["unit", "model", "integration"], atOnce: Math.min(CORES, 4) },
  { name: "security", folders: ["security"], atOnce: Math.max(1, Math.floor(CORES / 4)) },
  { name: "end to end", folders: ["e2e"], keeps: isTimed, atOnce: Math.max(1, Math.floor(CORES / 4)) },
  { name: "end to end, side by side", folders: ["e2e"], keeps: (file) => !isTimed(file), atOnce: Math.min(CORES, 4) },
  { name: "browser", folders: ["browser"], atOnce: 1 },
];

/** End-to-end tests that measure times, or want the machine's own ports: one file at a time. */
function isTimed(file) {
  return /\/(delivery|embedded|chaos|cli-here)[^/]*$/.test(file);
}

async function build() {
  const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
  const result = spawnSync(process.execPath, [compiler, "-b", "tools/cli"], { cwd: ROOT, stdio: "inherit" });
  if (result.status !== 0) return false;
  const { buildConsole } = await import("../services/publisher/console/build.mjs");
  return buildConsole();
}

/** Test files of a folder below test/, sorted, that the filters let through. */
function testFiles(folder, filters) {
  const place = path.join(ROOT, "test", folder);
  if (!existsSync(place)) return [];
  return readdirSync(place, { recursive: true })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => path.join("test", folder, name))
    .filter((file) => isWanted(file, filters))
    .sort();
}

function isWanted(file, filters) {
  return filters.length === 0 || filters.some((text) => file.includes(text));
}

/** The tests' own TypeScript, usable once the packages are built. */
async function loadSupport() {
  const { register } = await import("tsx/esm/api");
  register();
  const [servers, programs, processes] = await Promise.all([
    import("./support/test-server.ts"),
    import("./support/programs.ts"),
    import("@acktor/embedded/process-table"),
  ]);
  return { ...servers, ...programs, ...processes };
}

/** Says which optional servers there are; returns the faults of those that must be there. */
function checkServers({ OPTIONAL_SERVERS, findServer, requiredNames }) {
  for (const server of OPTIONAL_SERVERS) {
    const program = findServer(server);
    console.log(`${server.padEnd(12)} ${program ?? "not installed: its tests are left out"}`);
  }
  const unknown = requiredNames().filter((name) => !OPTIONAL_SERVERS.includes(name));
  const missing = OPTIONAL_SERVERS.filter((name) => requiredNames().includes(name) && findServer(name) === null);
  return [
    ...unknown.map((name) => `ACKTOR_REQUIRE names ${name}; it knows ${OPTIONAL_SERVERS.join(", ")}`),
    ...missing.map((name) => `${name} is required (ACKTOR_REQUIRE) and not installed`),
  ];
}

/** Starts a shared PostgreSQL of each version; the tests find them by the environment. */
async function startClusters({ postgresVersions, startTestServer }, folder) {
  const started = [];
  for (const version of postgresVersions()) {
    const server = await startTestServer({ version, dataDir: path.join(folder, `shared-pg${version}`) });
    started.push({ variable: `ACKTOR_TEST_PG${version}`, server });
  }
  return started;
}

/** Runs test files in processes of their own; resolves with true when all passed. What failed goes to a file, too. */
function runFiles(files, { atOnce, env, signal, failures }) {
  const options = [
    ...[`--test-concurrency=${atOnce}`, `--test-timeout=${FILE_LIMIT_MS}`],
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=./test/failed-tests.mjs", `--test-reporter-destination=${failures}`],
  ];
  const args = ["--import", "tsx", "--conditions=source", "--test", ...options, ...files];
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: "inherit", detached: true });
  const kill = () => process.kill(-child.pid, "SIGKILL");
  return new Promise((resolve) => {
    signal.addEventListener("abort", kill, { once: true });
    child.once("exit", (code) => {
      signal.removeEventListener("abort", kill);
      resolve(code === 0);
    });
  });
}

/**
 * Numbers and commands of processes that belong to this run: they carry its id in their environment, or they work with
 * files in its folder. Where there is no /proc nothing is found.
 */
async function leftovers({ findProcess }, id, folder) {
  if (!existsSync("/proc/self/environ")) return [];
  const found = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)) {
    const info = await findProcess(Number(name));
    if (info === null) continue;
    const ours = read(`/proc/${name}/environ`).includes(`TEST_RUN_ID=${id}`);
    if (ours || info.command.includes(folder) || info.directory?.startsWith(folder)) {
      found.push({ pid: Number(name), command: info.command.trim().slice(0, 200) });
    }
  }
  return found;
}

/** A file of /proc; empty when the process has gone or is none of ours. */
function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(error.code)) return "";
    throw error;
  }
}

/** Ends what is left over after a moment's grace; returns how many there were. */
async function endLeftovers(support, id, folder) {
  const end = performance.now() + LEAK_GRACE_MS;
  let left = await leftovers(support, id, folder);
  while (left.length > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    left = await leftovers(support, id, folder);
  }
  for (const { pid, command } of left) {
    console.error(`left running by the tests: ${pid} ${command}`);
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
  return left.length;
}

/** Runs every phase in turn; returns a line of the summary for each, and what failed. */
async function runPhases(filters, options) {
  const results = [];
  for (const phase of PHASES) {
    const extra = phase.folders.includes("unit") ? ["test/architecture.test.ts"] : [];
    const extraWanted = extra.filter((file) => existsSync(path.join(ROOT, file)) && isWanted(file, filters));
    const found = phase.folders.flatMap((folder) => testFiles(folder, filters));
    const files = [...extraWanted, ...found.filter(phase.keeps ?? (() => true))];
    if (files.length === 0 || options.signal.aborted) continue;
    const begin = performance.now();
    const failures = path.join(options.folder, `failures-${results.length}.txt`);
    const passed = await runFiles(files, { ...options, atOnce: phase.atOnce, failures });
    const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
    results.push({
      passed,
      failures: existsSync(failures) ? readFileSync(failures, "utf8") : "",
      line: `${passed ? "passed" : "FAILED"}  ${phase.name}: ${files.length} files, ${seconds} s`,
    });
  }
  return results;
}

/** An abort after the time limit or at Ctrl-C. */
function makeLimit() {
  const controller = new AbortController();
  const stop = (why) => {
    console.error(`\n${why}: stopping`);
    controller.abort();
  };
  const timer = setTimeout(() => stop(`the tests took longer than ${RUN_LIMIT_MS / 60_000} minutes`), RUN_LIMIT_MS);
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop(name));
  return { signal: controller.signal, end: () => clearTimeout(timer) };
}

async function main() {
  const filters = process.argv.slice(2);
  if (!(await build())) return 1;
  const support = await loadSupport();
  const faults = checkServers(support);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) return 1;
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-tests-"));
  // Tests start servers as other users, who must get through to folders of their own in it.
  chmodSync(folder, 0o711);
  const id = path.basename(folder);
  const limit = makeLimit();
  const clusters = await startClusters(support, folder);
  const urls = Object.fromEntries(clusters.map(({ variable, server }) => [variable, server.url]));
  // Everything the tests put into the temporary folder lies in the run's own, so that nothing of it is forgotten.
  const env = { ...process.env, ...urls, TMPDIR: folder, TEST_RUN_ID: id };
  const results = await runPhases(filters, { env, signal: limit.signal, folder });
  limit.end();
  const passed = results.length > 0 && results.every((result) => result.passed) && !limit.signal.aborted;
  for (const { server } of clusters) await server.stop();
  const leaks = await endLeftovers(support, id, folder);
  const failures = results.map((result) => result.failures).join("");
  console.log(
    ["", ...results.map((result) => result.line), ...(failures === "" ? [] : ["", "what failed:", failures])].join(
      "\n",
    ),
  );
  if (results.length === 0) console.error("no test file matches");
  if (leaks > 0) console.error(`FAILED  ${leaks} process(es) were left running`);
  if (passed) rmSync(folder, { recursive: true, force: true });
  else console.error(`databases of failed tests: ${path.join(folder, "shared-pg*")}`);
  return passed && leaks === 0 ? 0 : 1;
}

process.exit(await main());
