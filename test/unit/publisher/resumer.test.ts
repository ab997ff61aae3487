/** Births are resumed one after another, merged where they come faster, and left where the database is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Resumer } from "@acktor/publisher/control/resumer";
import { filterToRegex } from "@acktor/shared/protocol/topics";
import { AWAY, rows } from "../../support/db-results.ts";
import { keptLogger } from "../../support/kept-logger.ts";
import { until } from "../../support/until.ts";

type Result = ReturnType<typeof rows> | typeof AWAY;

function rig() {
  const asked: {
    readonly regexes: readonly string[];
    readonly signal: AbortSignal;
    answer: (result: Result) => void;
  }[] = [];
  const log = keptLogger();
  const counts = { resumed: 0 };
  const resumer = new Resumer({
    resume: (regexes, signal) => new Promise((answer) => asked.push({ regexes, signal, answer })),
    resumed: () => {
      counts.resumed++;
    },
    logger: log.logger,
  });
  return { resumer, asked, counts, log };
}

test("births that come during a resume wait for it, and share the next one", async () => {
  const { resumer, asked, counts } = rig();
  resumer.add(["a/#"]);
  resumer.add(["b", "c/+"]);
  resumer.add(["b"]);
  assert.deepEqual(
    asked.map((one) => one.regexes),
    [[filterToRegex("a/#")]],
  );
  asked[0]?.answer(rows());
  await until(() => asked.length === 2, 2_000);
  assert.deepEqual(asked[1]?.regexes, ["b", "c/+"].map(filterToRegex));
  asked[1]?.answer(rows());
  await until(() => counts.resumed === 2, 2_000);
  await resumer.stop();
  assert.equal(asked.length, 2);
});

test("more filters than may wait become one for everything", async () => {
  const { resumer, asked } = rig();
  resumer.add(["first"]);
  resumer.add(Array.from({ length: 1_000 }, (_, i) => `t/${i}`));
  resumer.add(["one/more"]);
  asked[0]?.answer(rows());
  await until(() => asked.length === 2, 2_000);
  assert.deepEqual(asked[1]?.regexes, [filterToRegex("#")]);
  asked[1]?.answer(rows());
  await resumer.stop();
});

test("a database that is away is said; the rows come due by their own schedule, and the next birth works", async () => {
  const { resumer, asked, counts, log } = rig();
  resumer.add(["a"]);
  asked[0]?.answer(AWAY);
  await until(() => log.lines.length === 1, 2_000);
  assert.equal(counts.resumed, 0);
  resumer.add(["b"]);
  await until(() => asked.length === 2, 2_000);
  asked[1]?.answer(rows());
  await until(() => counts.resumed === 1, 2_000);
  await resumer.stop();
});

test("a stop ends the resume under way between two chunks, and begins no other; twice and early is fine", async () => {
  const { resumer, asked } = rig();
  await rig().resumer.stop();
  resumer.add(["a"]);
  resumer.add(["b"]);
  const stopped = Promise.all([resumer.stop(), resumer.stop()]);
  assert.equal(asked[0]?.signal.aborted, true);
  asked[0]?.answer(rows());
  await stopped;
  resumer.add(["c"]);
  await resumer.stop();
  assert.equal(asked.length, 1);
});
