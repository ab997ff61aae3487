/**
 * Runs the tests.
 *
 *   node test/run.mjs              the developer's loop: unit, model, and one of each real thing (`npm test`)
 *   node test/run.mjs --all        everything (`npm run test:all`)
 *   node test/run.mjs --rest       everything that `npm test` leaves out
 *   node test/run.mjs text …       all test files whose path contains one of the texts
 *
 * Invariants:
 *  TEST_RUN-1. The run ends: it stops after 25 minutes, and each job after its own limit.
 *  TEST_RUN-2. Processes that the tests left running are found, killed, and counted as a failure.
 *  TEST_RUN-3. The run names each server that is not installed; with ACKTOR_REQUIRE=<its name> that is a failure.
 *  TEST_RUN-4. A job that fails and then passes alone is named in the summary with its failure, as dependent on the load.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runJobs } from "./run/jobs.mjs";
import { endLeftovers } from "./run/leftovers.mjs";
import { missesWorkshop, planJobs } from "./run/plan.mjs";
import { buildPrograms, checkServers, loadSupport, startClusters } from "./run/servers.mjs";
import { jobLine, summary } from "./run/summary.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const RUN_LIMIT_MS = 25 * 60_000;
/** More failed jobs than this are no matter of load. */
const MOST_TRIED_ALONE = 4;
/** Most tests wait for timers and servers, which uses a third of a core: more jobs than cores keep the cores busy. */
const AT_ONCE = Math.min(Math.floor(2.5 * os.availableParallelism()), 8);

function readArguments(args) {
  const set = args.includes("--all") ? "all" : args.includes("--rest") ? "rest" : "quick";
  return { set, filters: args.filter((text) => !text.startsWith("--")) };
}

/** An abort after the time limit (TEST_RUN-1) or at Ctrl-C. */
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

/** Side by side what may run so, then one at a time what measures times. */
async function runPlan({ sideBySide, alone }, options) {
  const results = [];
  const done = (result) => {
    results.push(result);
    console.log(jobLine(result));
  };
  await runJobs(sideBySide, { ...options, done, atOnce: AT_ONCE });
  await runJobs(alone, { ...options, done, atOnce: 1 });
  return tryAlone(results, options);
}

/**
 * Runs the few jobs that failed once more, alone. A job that passes then depends on the machine's load, which is a fault of
 * the test: the summary names it with its first failure, every time. TEST_RUN-4
 */
async function tryAlone(results, options) {
  const failed = results.filter(({ passed }) => !passed);
  if (failed.length > MOST_TRIED_ALONE || options.signal.aborted) return results;
  const again = new Map();
  await runJobs(
    failed.map(({ name, files }) => ({ name, files })),
    {
      ...options,
      atOnce: 1,
      done(result) {
        console.log(`again, alone: ${jobLine(result)}`);
        again.set(result.name, result);
      },
    },
  );
  return results.map((first) => {
    const second = again.get(first.name);
    return second?.passed ? { ...second, dependsOnLoad: first } : first;
  });
}

async function runWithServers(plan, support, folder) {
  const id = path.basename(folder);
  const limit = makeLimit();
  const clusters = await startClusters(support, folder);
  const urls = Object.fromEntries(clusters.map(({ variable, server }) => [variable, server.url]));
  // What the tests put into the temporary folder lies in the run's own, so that nothing is forgotten.
  const env = { ...process.env, ...urls, TMPDIR: folder, TEST_RUN_ID: id };
  const results = await runPlan(plan, { root: ROOT, folder, env, signal: limit.signal });
  limit.end();
  for (const { server } of clusters) await server.stop();
  const leaks = await endLeftovers(support, id, folder); // TEST_RUN-2
  return { results, leaks, aborted: limit.signal.aborted };
}

async function main() {
  const begin = performance.now();
  const plan = planJobs(ROOT, readArguments(process.argv.slice(2)));
  if (plan.sideBySide.length + plan.alone.length === 0) {
    console.error("no test file matches");
    return 1;
  }
  const needy = missesWorkshop(ROOT, plan);
  if (needy !== null) {
    console.error(`${needy} needs the tools of tools/workshop, which are not installed\n  fix: npm run workshop`);
    return 1;
  }
  if (!(await buildPrograms(ROOT))) return 1;
  const support = await loadSupport();
  const faults = checkServers(support); // TEST_RUN-3
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) return 1;
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-tests-"));
  // Tests start servers as other users, who must get through to folders of their own in it.
  chmodSync(folder, 0o711);
  const { results, leaks, aborted } = await runWithServers(plan, support, folder);
  console.log(summary(results, (performance.now() - begin) / 1_000));
  if (leaks > 0) console.error(`FAILED  ${leaks} process(es) were left running`);
  const passed = results.every((result) => result.passed) && leaks === 0 && !aborted;
  if (passed) rmSync(folder, { recursive: true, force: true });
  else console.error(`databases of failed tests: ${path.join(folder, "shared-pg*")}`);
  return passed ? 0 : 1;
}

process.exit(await main());
