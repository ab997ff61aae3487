/**
 * A reporter of node:test for the runner: one line of JSON per event that the summary needs, and one about the process at its end.
 *
 *   {"test": name, "file": path, "ms": 12, "outcome": "passed" | "skipped" | "failed", "why": text}
 *   {"note": text}         what a test measured
 *   {"cpuMs": 1200}        CPU time of the process and of the children that it waited for; null where /proc is absent
 */
import { readFileSync } from "node:fs";
import path from "node:path";

const MOST_LINES = 25;
/** The totals that node:test adds at the end of a process. */
const TOTALS = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === "test:pass" || type === "test:fail") {
      const record = testRecord(type, data);
      if (record !== null) yield line(record);
    }
    if (type === "test:diagnostic" && !TOTALS.test(data.message)) yield line({ note: data.message });
  }
  yield line({ cpuMs: cpuMs() });
}

function line(record) {
  return `${JSON.stringify(record)}\n`;
}

function testRecord(type, { name, file, details, skip, todo, nesting }) {
  // A test whose subtests failed fails as well; the subtests say why.
  if (type === "test:fail" && details.error.failureType === "subtestsFailed") return null;
  const outcome = type === "test:fail" ? "failed" : skip === undefined && todo === undefined ? "passed" : "skipped";
  const why = type === "test:fail" ? reason(details.error) : "";
  const place = file === undefined ? "" : path.relative(process.cwd(), file);
  return { test: name, file: place, top: nesting === 0, ms: Math.round(details.duration_ms), outcome, why };
}

function reason(error) {
  const { cause = error } = error;
  const lines = String(cause?.stack ?? cause).split("\n");
  return lines.slice(0, MOST_LINES).join("\n");
}

/** Fields 14 to 17 of /proc/self/stat: user and system time of the process and of its children, in ticks of 10 ms. */
function cpuMs() {
  if (process.platform !== "linux") return null;
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}
