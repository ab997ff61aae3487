/**
 * A reporter of node:test that keeps what failed for the end of the run, where people look first.
 *
 * The text of a failure is its name, its file, and the first lines of why.
 */
import path from "node:path";

const MOST_LINES = 25;

export default async function* failedTests(source) {
  for await (const { type, data } of source) {
    // A file whose tests failed, fails as well; its tests say why.
    if (type !== "test:fail" || data.details.error.failureType === "subtestsFailed") continue;
    const { cause = data.details.error } = data.details.error;
    const why = String(cause?.stack ?? cause).split("\n");
    const lines = why.slice(0, MOST_LINES).map((line) => `    ${line}`);
    const file = data.file === undefined ? "" : ` (${path.relative(process.cwd(), data.file)})`;
    yield `  ${data.name}${file}\n${lines.join("\n")}\n\n`;
  }
}
