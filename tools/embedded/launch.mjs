/**
 * What `npm start`, `npm run demo`, `npm run start:publisher`, `npm run start:acker` and `npx acktor` call: builds what is
 * out of date, then runs the program in this same process, so that a signal and a process number mean what they seem to.
 *
 * Plain JavaScript without a dependency: it must be able to say what is missing on a machine where nothing is ready.
 */
import { spawnSync } from "node:child_process";
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

/** Says what is wrong and how to put it right, and ends. */
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

function build({ file, project }) {
  if (!isOutOfDate(SOURCES[project])) return;
  const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
  if (!existsSync(compiler)) {
    // Installed for production: what was shipped built is run as it is.
    if (existsSync(path.join(ROOT, file))) return;
    giveUp("acktor is not built, and the compiler is not installed.", "run `npm ci` (without --omit=dev)");
  }
  const release = lockBuild();
  try {
    const options = { cwd: ROOT, encoding: "utf8" };
    const result = spawnSync(process.execPath, [compiler, "-b", project], options);
    if (result.status === 0) return;
    console.error(`${result.stdout}${result.stderr}`.trim());
    if (result.signal !== null) process.exit(1);
    giveUp("The build failed.", "see the lines above");
  } finally {
    release();
  }
}

/** Bundles the web page that the publisher serves, unless that was done since its last change. */
async function buildPage({ servesConsole = false }) {
  // What was shipped built may come without what it was built from.
  if (!servesConsole || !existsSync(path.join(ROOT, "services/publisher/console/build.mjs"))) return;
  const { buildConsole, isUpToDate } = await import("../../services/publisher/console/build.mjs");
  if (isUpToDate()) return;
  const release = lockBuild();
  try {
    await buildConsole();
  } finally {
    release();
  }
}

/** One build at a time: two services that are started together would read each other's half-written files. */
function lockBuild() {
  const lock = path.join(ROOT, "node_modules/.cache/acktor-build.lock");
  mkdirSync(path.dirname(lock), { recursive: true });
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      return () => rmSync(lock, { force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (!isAlive(readLock(lock)) || Date.now() > end) rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
}

/** The text of a file that may vanish at any moment; null when it has. */
function readOrNull(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES"].includes(error.code)) return null;
    throw error;
  }
}

/** The holder's number; 0 when the lock has gone. */
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

/** Name and parent of a process, where /proc tells. */
function describeProcess(pid) {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const end = stat.lastIndexOf(")");
  return { name: stat.slice(stat.indexOf("(") + 1, end), parent: Number(stat.slice(end + 4).split(" ")[0]) };
}

/** Those who stand between us and npm: our parent, and the shell's parent when npm's shell did not make way for us. */
function lineage() {
  const parent = describeProcess(process.ppid);
  const between = parent !== null && SHELLS.has(parent.name) ? parent.parent : 0;
  return `${process.ppid} ${between}`;
}

/** npm that is killed cannot pass the signal on: when it has gone, stop as if it had. */
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
build(program);
await buildPage(program);
stopWithNpm();
// A program finds its own arguments where any program does.
process.argv.splice(2, 1);
await import(pathToFileURL(path.join(ROOT, program.file)).href);
