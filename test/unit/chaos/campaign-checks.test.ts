/** What the checker reports about answers in time, vital signs and poison; and the clock that is set under a service. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { takeAccount } from "@acktor/chaos/campaign/account";
import { judgeAnswers } from "@acktor/chaos/campaign/answers-in-time";
import { Sustained } from "@acktor/chaos/campaign/observe";
import { heapSlope, judgeVitals, p99BelowMs, sumUp } from "@acktor/chaos/campaign/vitals";
import type { Entry } from "@acktor/chaos/workload/history";
import { countReads } from "@acktor/chaos/world/bent-clock";
import { DELAY_BUCKETS_MS, type VitalSigns } from "@acktor/chaos/world/vitals-hook";
import { cleanUp } from "../../support/cleanup.ts";
import { ROOT, run } from "../../support/processes.ts";
import { until } from "../../support/until.ts";

/** Entries with their times. */
const at = (t: number, entry: object): Entry => ({ t, ...entry }) as Entry;
const fault = (from: number, to: number, name: string): Entry[] => [
  at(from, { op: "fault", phase: "begin", name, hits: 0 }),
  at(to, { op: "fault", phase: "end", name, hits: 1 }),
];
const call = (n: number, from: number, to: number, kind: string, status: number | null): Entry[] => [
  at(from, { op: "send", n, key: null }),
  at(to, { op: "answer", n, kind, status, id: `id-${n}` }),
];
const judged = (...parts: Entry[][]) => judgeAnswers(parts.flat().toSorted((a, b) => a.t - b.t));

test("ANSWERS-1: 503 arrives in time while PostgreSQL is away; a later one is reported", () => {
  const away = fault(1_000, 9_000, "kill postgres");
  const quick = judged(away, call(1, 1_100, 3_000, "unknown", 503));
  assert.deepEqual([quick.unavailable, quick.slowestUnavailableMs, quick.wrong], [1, 1_900, []]);
  assert.equal(judged(away, call(1, 1_100, 4_000, "unknown", 503)).wrong.length, 1);
  assert.equal(judged(away, call(1, 1_100, 7_100, "unknown", null)).wrong.length, 1, "no answer at all");
});

test("ANSWERS-2: while only broker, NATS or acker are away every call is accepted", () => {
  const away = fault(1_000, 5_000, "kill broker");
  const accepted = judged(away, call(1, 2_000, 2_010, "ok", 201));
  assert.deepEqual([accepted.acceptedMeanwhile, accepted.wrong], [1, []]);
  assert.equal(judged(away, call(1, 2_000, 2_010, "unknown", 503)).wrong.length, 1);
});

test("what stays for ten readings counts, a peak does not", () => {
  const sustained = new Sustained();
  for (const reading of [...Array(10).fill(9), 27, 27, ...Array(10).fill(11), 3]) sustained.read(reading);
  assert.equal(sustained.value, 11);
});

test("a publisher that is dead or frozen answers nothing in time, and is not blamed", () => {
  for (const name of ["kill publisher", "freeze publisher", "stop publisher"]) {
    assert.deepEqual(judged(fault(1_000, 5_000, name), call(1, 500, 5_900, "unknown", null)).wrong, []);
  }
  assert.equal(judged(fault(1_000, 5_000, "freeze acker"), call(1, 500, 5_900, "unknown", null)).wrong.length, 2);
});

test("the p99 of the event loop's delays is that of all of them", () => {
  const delays = DELAY_BUCKETS_MS.map(() => 0);
  assert.equal(p99BelowMs(delays), null);
  delays[0] = 990;
  delays[6] = 10;
  assert.equal(p99BelowMs(delays), 5);
  delays[6] = 11;
  assert.equal(p99BelowMs(delays), 500);
});

/** A life of so many minutes whose heap grows by so many MB a minute. */
const life = (minutes: number, slope: number, pid = 1): VitalSigns[] =>
  Array.from({ length: minutes * 6 }, (_, n) => ({
    pid,
    up: n * 10_000,
    delays: DELAY_BUCKETS_MS.map((_, i) => (i === 0 ? 500 : 0)),
    sockets: 10,
    heap: 50_000_000 + ((n * slope) / 6) * 1_048_576,
  }));

test("a heap that grows is reported once a life is long enough, and only the last life counts", () => {
  const grown = (signs: readonly VitalSigns[]) =>
    judgeVitals([at(0, { op: "vitals", service: "acker", ...sumUp(signs) })]);
  assert.ok(Math.abs((heapSlope(sumUp(life(4, 1.5)).heap) ?? 0) - 1.5) < 0.01);
  assert.equal(grown(life(4, 1.5)).wrong.length, 1);
  assert.deepEqual(grown(life(4, 0.5)).wrong, []);
  assert.equal(heapSlope(sumUp(life(1, 9)).heap), null, "too short to say");
  assert.deepEqual(grown([...life(4, 9, 1), ...life(4, 0, 2)]).wrong, []);
});

test("poison is accepted, ends as the history says, and a peak above its limit is reported", () => {
  const account = takeAccount([
    at(0, { op: "poison", id: "a", ends: "failed" }),
    at(0, { op: "peak", what: "messages un-acked", value: 513, limit: 512 }),
  ]);
  assert.deepEqual([account.accepted, [...account.endsAs]], [["a"], [["a", "failed"]]]);
  assert.equal(account.unexpected.length, 1);
});

test("BENT_CLOCK-1: a clock that is set moves only Date, and each reading of the wrong time is counted", async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "acktor-clock-"));
  cleanUp(t, () => rm(folder, { recursive: true, force: true }));
  const [clock, vitals] = [path.join(folder, "clock"), path.join(folder, "vitals")];
  const script = `const begin = [Date.now(), performance.now()];
    setInterval(() => {
      const wall = new Date().getTime() - begin[0], mono = performance.now() - begin[1];
      if (Math.abs(wall - mono) > 3_000_000) { console.log("moved " + Math.round((wall - mono) / 60_000) + " " + (new Date() instanceof Date)); setTimeout(() => process.exit(0), 300); }
    }, 20);`;
  const hook = path.join(ROOT, "tools/chaos/dist/world/lab-hook.js");
  const env = { LAB_CLOCK: clock, LAB_VITALS: vitals };
  const child = run(t, process.execPath, ["--import", hook, "-e", script], { env });
  await until(async () => (await readFile(vitals, "utf8").catch(() => "")) !== "", 10_000, "the vital signs");
  await writeFile(clock, "3600000");
  await child.says(/moved 60 true/);
  await until(() => countReads(clock) > 0, 5_000, "the wrong readings to be counted");
});
