/**
 * Jobs: processes that run test files.
 *
 * A job runs one file, or all files of a folder of unit tests: starting Node and loading the sources costs more than most
 * unit tests do.
 *
 * Invariants:
 *  TEST_JOBS-1. Every job ends: the runner kills the job's process group after the job's limit, and when the run is aborted.
 *  TEST_JOBS-2. A job passes only when its process ended with 0, reported its end, and no test failed.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const JOB_LIMIT_MS = 300_000;
const OUTPUT_LIMIT = 262_144;

/** Runs jobs, `atOnce` at a time, in the order given; calls `done` with each result. */
export async function runJobs(jobs, { atOnce, done, ...options }) {
  const waiting = [...jobs];
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined && !options.signal.aborted; job = waiting.shift()) {
      done(await runJob(job, options));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** @returns {Promise<object>} the job with `passed`, `seconds`, `cpuSeconds`, `tests`, `notes` and `output` */
export async function runJob(job, { root, folder, env, signal }) {
  const base = path.join(folder, `job-${job.name.replaceAll(/[^\w.-]+/g, "-")}`);
  const records = `${base}.jsonl`;
  const begin = performance.now();
  const args = [
    ...["--import", "tsx", "--conditions=source"],
    ...["--test-reporter=./test/run/reporter.mjs", `--test-reporter-destination=${records}`],
    job.files.length === 1 ? job.files[0] : entryOf(job, root, `${base}.mjs`),
  ];
  const ended = await runProcess(args, { cwd: root, env, signal });
  const seconds = (performance.now() - begin) / 1_000;
  return { ...job, seconds, ...outcome(readRecords(records), ended) };
}

/** A module that imports every file of the job. The imports are static: no test starts before all files are loaded. */
function entryOf(job, root, file) {
  const urls = job.files.map((name) => pathToFileURL(path.join(root, name)).href);
  writeFileSync(file, urls.map((url) => `import ${JSON.stringify(url)};\n`).join(""));
  return file;
}

function runProcess(args, { cwd, env, signal }) {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  const keep = (chunk) => {
    output = (output + chunk).slice(-OUTPUT_LIMIT);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  // TEST_JOBS-1
  const kill = (why) => {
    output += `\nkilled: ${why}\n`;
    killGroup(child.pid);
  };
  const timer = setTimeout(() => kill(`it ran for ${JOB_LIMIT_MS / 1_000} s`), JOB_LIMIT_MS);
  const abort = () => kill("the run was aborted");
  signal.addEventListener("abort", abort, { once: true });
  return new Promise((resolve) => {
    child.once("exit", (code) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      // A program that a test left running may hold the pipes open: the job's own output is there by now.
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ code, output });
      }, 20);
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function readRecords(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((text) => text.endsWith("}")).map((text) => JSON.parse(text));
}

function outcome(records, { code, output }) {
  const tests = records.filter((record) => "test" in record);
  const end = records.find((record) => "cpuMs" in record);
  const failed = tests.some((record) => record.outcome === "failed");
  return {
    // TEST_JOBS-2
    passed: code === 0 && end !== undefined && !failed,
    cpuSeconds: end === undefined || end.cpuMs === null ? null : end.cpuMs / 1_000,
    tests,
    notes: records.flatMap((record) => ("note" in record ? [record.note] : [])),
    output: failed || code !== 0 || end === undefined ? `${output}\nexit code ${code}` : "",
  };
}
