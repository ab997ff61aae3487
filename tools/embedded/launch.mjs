/**
 * Entry of `npm start`, `npm run demo`, `npm run start:publisher`, `npm run start:acker` and `npx acktor`: builds what is out
 * of date, then runs the program in this process, so that signals reach it and the process number is its own.
 *
 * Plain JavaScript without a dependency, because it must report what is missing before `npm ci` has run.
 *
 * Invariants:
 *  LAUNCH-1. While it builds, or waits for another build, it writes a line to standard error at least every QUIET_MS.
 *
 * One build runs at a time: two services started together would read each other's half-written files.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const LEAST_NODE = [20, 19];

/** Each verb: its program, and the projects it is built from. */
const PROGRAMS = {
  start: { file: "tools/embedded/dist/start.js", project: "tools/embedded", servesConsole: true },
  demo: { file: "tools/embedded/dist/demo.js", project: "tools/embedded" },
  publisher: { file: "services/publisher/dist/main.js", project: "services/publisher", servesConsole: true },
  acker: { file: "services/acker/dist/main.js", project: "services/acker" },
  chaos: { file: "tools/chaos/dist/main.js", project: "tools/chaos" },
  cli: { file: "tools/cli/dist/main.js", project: "tools/cli" },
  "cli-start": { file: "tools/cli/dist/main.js", project: "tools/cli", servesConsole: true },
};
const SOURCES = {
  "tools/cli": ["shared", "services/publisher", "services/acker", "tools/embedded", "tools/chaos", "tools/cli"],
  "tools/embedded": ["shared", "services/publisher", "services/acker", "tools/embedded"],
  "tools/chaos": ["shared", "services/publisher", "services/acker", "tools/embedded", "tools/chaos"],
  "services/publisher": ["shared", "services/publisher"],
  "services/acker": ["shared", "services/acker"],
};

/** Reports a fault and its fix, and exits. */
function giveUp(message, fix) {
  console.error(`${message}\n  fix: ${fix}`);
  process.exit(1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  giveUp(
    `acktor needs Node ${LEAST_NODE.join(".")} or newer; this is ${process.versions.node}.`,
    "install a newer Node",
  );
}

function checkPackages() {
  if (existsSync(path.join(ROOT, "node_modules/xstate"))) return;
  giveUp("The packages are not installed.", `run \`npm ci\` in ${ROOT}`);
}

/** Newest change (ms) of the files below a folder; 0 where it is absent. */
function newestChange(folder) {
  if (!existsSync(folder)) return 0;
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return Math.max(0, ...files.map((entry) => statSync(path.join(entry.parentPath ?? entry.path, entry.name)).mtimeMs));
}

/** True when some project was never built, or was changed since. */
function isOutOfDate(projects) {
  return projects.some((project) => {
    const record = path.join(ROOT, project, "dist/.tsbuildinfo");
    return !existsSync(record) || statSync(record).mtimeMs < newestChange(path.join(ROOT, project, "src"));
  });
}

async function build({ file, project }) {
  if (!isOutOfDate(SOURCES[project])) return;
  const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
  if (!existsSync(compiler)) {
    // Installed for production: the shipped build runs.
    if (existsSync(path.join(ROOT, file))) return;
    giveUp("acktor is not built, and the compiler is not installed.", "run `npm ci` (without --omit=dev)");
  }
  const release = await lockBuild();
  try {
    const { code, output } = await compile(compiler, project);
    if (code === 0) return;
    console.error(output.trim());
    giveUp("The build failed.", "see the lines above");
  } finally {
    release();
  }
}

const QUIET_MS = 4_000;

/** Reports a step, and again every QUIET_MS until the returned function is called. */
function report(step) {
  const startedAt = performance.now();
  console.error(`${step} …`);
  const timer = setInterval(() => {
    console.error(`${step}: ${Math.round((performance.now() - startedAt) / 1_000)} s`); // LAUNCH-1
  }, QUIET_MS);
  return () => clearInterval(timer);
}

/** Lines of `tsc --verbose` that report progress; all others are errors of the sources. */
const VERBOSE = /(^\d+:\d\d:\d\d [AP]M - )|(^\s+\* )|(^\s*$)/;

/** Runs the compiler. Resolves with its exit code (null after a signal) and its error lines. */
function compile(compiler, project) {
  const child = spawn(process.execPath, [compiler, "-b", project, "--verbose"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stopWith = stopChildOnSignals(child);
  let end = report("building acktor");
  let [output, rest] = ["", ""];
  const read = (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const name = /Building project '(.+)\/tsconfig\.json'/.exec(line)?.[1];
      if (name !== undefined) {
        end();
        end = report(`building ${name}`);
      } else if (!VERBOSE.test(line)) output += `${line}\n`;
    }
  };
  child.stdout.setEncoding("utf8").on("data", read);
  child.stderr.setEncoding("utf8").on("data", read);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output: output + rest }));
  }).finally(() => {
    end();
    stopWith();
  });
}

/** A signal during a build ends the compiler and this process. @returns what removes the listeners */
function stopChildOnSignals(child) {
  const stop = (signal) => {
    child.kill(signal);
    process.exit(130);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}

/** Bundles the web page that the publisher serves, if it has changed. */
async function buildPage({ servesConsole = false }) {
  // A shipped build may come without the sources.
  if (!servesConsole || !existsSync(path.join(ROOT, "services/publisher/console/build.mjs"))) return;
  const { buildConsole, isUpToDate } = await import("../../services/publisher/console/build.mjs");
  if (isUpToDate()) return;
  const release = await lockBuild();
  const end = report("building the console");
  try {
    await buildConsole();
  } finally {
    end();
    release();
  }
}

/** Waits for other builds. @returns what releases the lock */
async function lockBuild() {
  const lock = path.join(ROOT, "node_modules/.cache/acktor-build.lock");
  mkdirSync(path.dirname(lock), { recursive: true });
  const until = Date.now() + 60_000;
  let end = null;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      end?.();
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!isAlive(readLock(lock)) || Date.now() > until) rmSync(lock, { force: true });
    else {
      end ??= report("waiting for another build");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The text of a file that may be removed at any moment; null without it. */
function readOrNull(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes(error.code)) return null;
    throw error;
  }
}

/** The process that holds the lock; 0 without a lock. */
function readLock(lock) {
  const text = readOrNull(lock);
  return text === null ? 0 : Number.parseInt(text, 10) || process.pid;
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

const SHELLS = new Set(["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"]);
const WATCH_MS = 1_000;

/** Name and parent of a process; null without /proc. */
function describeProcess(pid) {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const end = stat.lastIndexOf(")");
  return { name: stat.slice(stat.indexOf("(") + 1, end), parent: Number(stat.slice(end + 4).split(" ")[0]) };
}

/** The processes between this one and npm: the parent, and its parent if the parent is npm's shell. */
function lineage() {
  const parent = describeProcess(process.ppid);
  const between = parent !== null && SHELLS.has(parent.name) ? parent.parent : 0;
  return `${process.ppid} ${between}`;
}

/** A killed npm cannot forward the signal: when it exits, this process stops as if it had. */
function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const before = lineage();
  const timer = setInterval(() => {
    if (lineage() === before) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, WATCH_MS);
  timer.unref();
}

const verb = process.argv[2] ?? "";
const program = Object.hasOwn(PROGRAMS, verb) ? PROGRAMS[verb] : undefined;
if (program === undefined) giveUp(`Unknown verb ${verb}.`, `use one of ${Object.keys(PROGRAMS).join(", ")}`);
checkNode();
checkPackages();
await build(program);
await buildPage(program);
stopWithNpm();
// The program finds its arguments at the usual index.
process.argv.splice(2, 1);
await import(pathToFileURL(path.join(ROOT, program.file)).href);
