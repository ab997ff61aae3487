/** What a run prints: a line per job, then the slowest files and what failed. */

const SLOWEST = 10;

export function jobLine({ name, passed, seconds, cpuSeconds, tests, notes }) {
  const skipped = tests.filter(({ outcome }) => outcome === "skipped").length;
  const times = `${seconds.toFixed(1).padStart(6)} s${cpuText(cpuSeconds)}`;
  const counts = `${tests.length} tests${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return [
    `${passed ? "passed" : "FAILED"} ${times}  ${name}  ${counts}`,
    ...notes.map((note) => `         ${note}`),
  ].join("\n");
}

/** The end of a run: totals, the slowest files, failures last, where people look first. */
export function summary(results, totalSeconds) {
  const failed = results.filter(({ passed }) => !passed);
  const loaded = results.flatMap(({ dependsOnLoad }) => (dependsOnLoad === undefined ? [] : [dependsOnLoad]));
  const tests = results.flatMap((result) => result.tests);
  const skipped = tests.filter(({ outcome }) => outcome === "skipped").length;
  const cpu = results.reduce((sum, { cpuSeconds }) => sum + (cpuSeconds ?? 0), 0);
  return [
    "",
    `the slowest ${SLOWEST} of ${results.length} jobs:`,
    ...slowest(results, SLOWEST),
    "",
    ...(loaded.length > 0
      ? ["failed next to other jobs, passed alone (TEST_RUN-4):", ...loaded.flatMap(failureLines), ""]
      : []),
    ...(failed.length > 0 ? ["what failed:", ...failed.flatMap(failureLines), ""] : []),
    `${failed.length === 0 ? "passed" : "FAILED"}  ${tests.length} tests (${skipped} skipped) in ${totalSeconds.toFixed(0)} s, ${cpu.toFixed(0)} s of CPU`,
  ].join("\n");
}

function slowest(results, most) {
  const sorted = [...results].sort((one, other) => other.seconds - one.seconds).slice(0, most);
  return sorted.map(
    ({ name, seconds, cpuSeconds }) => `${seconds.toFixed(1).padStart(7)} s${cpuText(cpuSeconds)}  ${name}`,
  );
}

function cpuText(seconds) {
  return seconds === null ? "" : ` ${seconds.toFixed(1).padStart(6)} s CPU`;
}

/** The failed tests of a job with their reasons; the process's own output when it says more than the tests do. */
function failureLines({ name, tests, output }) {
  const failed = tests.filter(({ outcome }) => outcome === "failed");
  const lines = failed.map(({ test, file, why }) => `  ${test} (${file || name})\n${indent(why)}\n`);
  return failed.length > 0 ? lines : [`  ${name}\n${indent(output.slice(-4_000))}\n`];
}

function indent(text) {
  return text
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
