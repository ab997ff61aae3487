/** The jobs of a test run: when one passes, and that each ends. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { type JobResult, runJob } from "../run/jobs.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Runs files with these texts as one job. */
async function run(t: TestContext, texts: readonly string[], abortAfterMs?: number): Promise<JobResult> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "acktor-jobs-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = texts.map((text, at) => {
    const file = path.join(folder, `${at}.test.mjs`);
    writeFileSync(file, `import { test } from "node:test";\n${text}\n`);
    return path.relative(ROOT, file);
  });
  const signal = abortAfterMs === undefined ? new AbortController().signal : AbortSignal.timeout(abortAfterMs);
  // node:test marks its children by this variable; a job is no child of this test's runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return runJob({ name: "job", files }, { root: ROOT, folder, env, signal });
}

test("a job has the tests of all its files, and says which failed and why", async (t) => {
  const { passed, tests } = await run(t, [
    'test("one", () => {});',
    'test("two", () => { throw new Error("it broke"); }); test.skip("three", () => {});',
  ]);
  assert.equal(passed, false);
  assert.deepEqual(
    tests.map((one) => `${one.test} ${one.outcome}`),
    ["one passed", "two failed", "three skipped"],
  );
  assert.match(tests[1]?.why ?? "", /it broke/);
});

test("TEST_JOBS-2: a job whose process exits with 0 before its tests end has not passed", async (t) => {
  assert.equal((await run(t, ['test("one", () => {});'])).passed, true);
  const { passed } = await run(t, ['test("one", () => process.exit(0));']);
  assert.equal(passed, false);
});

test("TEST_JOBS-2: a job of which a file cannot be loaded has not passed, and shows the error", async (t) => {
  const { passed, output } = await run(t, ['test("one", () => {});', 'import "./missing.mjs";']);
  assert.equal(passed, false);
  assert.match(output, /missing\.mjs/);
});

test("TEST_JOBS-1: an abort kills the job's process group", async (t) => {
  const endless = 'test("one", () => new Promise(() => setInterval(() => {}, 1_000)));';
  const { passed, output } = await run(t, [endless], 2_000);
  assert.equal(passed, false);
  assert.match(output, /killed: the run was aborted/);
});
