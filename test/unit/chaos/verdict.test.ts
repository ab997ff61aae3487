/** From what happened to a verdict: what fails a run, and what it is called. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { htmlReport } from "@acktor/chaos/report/html-report";
import { junitXml } from "@acktor/chaos/report/junit";
import { summaryTable } from "@acktor/chaos/report/summary-table";
import { chaosTexts } from "@acktor/chaos/report/texts";
import { type Findings, judgeLimits } from "@acktor/chaos/run/verdict";
import type { Sample } from "@acktor/chaos/run/watch-publisher";
import { findScenario, SCENARIOS } from "@acktor/chaos/scenarios/catalog";
import { lastEnd, type Scenario, scheduleOf } from "@acktor/chaos/scenarios/scenario";

const scenario = (name: string): Scenario => {
  const found = findScenario(name);
  if (found === null) throw new Error(`no scenario ${name}`);
  return found;
};

function sample(t: number, state: string | null, counts: Partial<Sample["counts"]> = {}): Sample {
  const none = { published: 100, republished: 0, settled: 0, disconnections: 0, breakerOpenings: 0, errors: {} };
  return { t, state, breaker: "CLOSED", counts: { ...none, ...counts } };
}

/** A run of `cut` as it should be. */
function findings(changes: Partial<Findings> = {}): Findings {
  return {
    seed: 1,
    durationMs: 12_000,
    sent: 100,
    accepted: 100,
    refused: 0,
    unknown: 0,
    found: { lost: [], doubleEffects: [], illegalMoves: [], ackedWithoutEffect: [], strayEffects: [] },
    outOfOrder: [],
    facts: { acknowledged: 100, wireDuplicates: 3, latencyMs: { p50: 4, p99: 900 }, othersP99Ms: 900, seconds: [] },
    ownErrors: [],
    faults: [{ name: "cut", beginMs: 2_000, endMs: 7_000, hits: 40 }],
    impossible: null,
    interrupted: false,
    samples: [
      sample(0, "CONNECTED"),
      sample(2_500, "CONNECTED"),
      sample(4_000, "RECONNECTING"),
      sample(7_400, "CONNECTED", { republished: 10, errors: { timeout: 1 } }),
    ],
    finalState: "CONNECTED",
    ...changes,
  };
}

test("a run in which everything held passes, with its times", () => {
  const result = judgeLimits(scenario("cut"), findings());
  assert.deepEqual([result.outcome, result.reasons], ["passed", []]);
  assert.deepEqual([result.reconnectingMs, result.recoverMs], [2_000, 400]);
});

test("a fault that hit nothing fails the run as not injected", () => {
  const faults = [{ name: "cut", beginMs: 2_000, endMs: 7_000, hits: 0 }];
  const result = judgeLimits(scenario("cut"), findings({ faults }));
  assert.deepEqual([result.outcome, result.reasons], ["not injected", ["cut hit nothing"]]);
  assert.equal(judgeLimits(scenario("cut"), findings({ faults: [] })).outcome, "not injected");
});

test("each broken promise fails the run and is named", () => {
  const clean = findings().found;
  const broken: readonly (readonly [Partial<Findings>, RegExp])[] = [
    [{ found: { ...clean, lost: ["m1 is sent"] } }, /1 lost: m1/],
    [{ found: { ...clean, doubleEffects: ["m1 2 times"] } }, /effects twice/],
    [{ found: { ...clean, illegalMoves: ["m1"] } }, /illegal/],
    [{ found: { ...clean, ackedWithoutEffect: ["m1"] } }, /without an effect/],
    [{ found: { ...clean, strayEffects: ["m1"] } }, /no caller sent/],
    [{ outOfOrder: ["m1 of k1"] }, /out of order/],
    [{ ownErrors: ["TypeError: x"] }, /of the services themselves/],
    [{ accepted: 0 }, /no message was accepted/],
    [{ accepted: 90, unknown: 10 }, /share of calls without 201: 0.1/],
    [{ samples: [sample(0, "CONNECTED"), sample(2_500, "CONNECTED")] }, /RECONNECTING after the fault: never/],
    [{ samples: [sample(0, "CONNECTED"), sample(3_000, "RECONNECTING")] }, /CONNECTED after the last fault: never/],
    [
      { samples: [sample(0, "CONNECTED"), sample(6_000, "ERROR"), sample(7_100, "CONNECTED")] },
      /4000 ms, at most 3000/,
    ],
  ];
  for (const [changes, why] of broken) {
    const result = judgeLimits(scenario("cut"), findings(changes));
    assert.equal(result.outcome, "failed", String(why));
    assert.match(result.reasons.join("\n"), why);
  }
});

test("limits of their own: connection kept, openings, PUBLISHes per message", () => {
  const faults = [{ name: "line", beginMs: 2_000, endMs: 9_000, hits: 4 }];
  const delayed = judgeLimits(scenario("delay"), findings({ faults }));
  assert.match(delayed.reasons.join("\n"), /the connection broke/);
  assert.match(delayed.reasons.join("\n"), /PUBLISHes per message: 1.111, at most 1.05/);
  const samples = [sample(0, "CONNECTED", { breakerOpenings: 1 }), sample(9_100, "CONNECTED", { breakerOpenings: 1 })];
  const opened = judgeLimits(scenario("delay"), findings({ faults, samples }));
  assert.deepEqual(opened.reasons, ["breaker openings: 1, at most 0 allowed"]);
});

test("a fault that the driver cannot make is no verdict", () => {
  const result = judgeLimits(scenario("cut"), findings({ faults: [], impossible: "delay" }));
  assert.equal(result.outcome, "not possible");
});

test("the tutorial's four come first, with its durations; names are unique", () => {
  const four = SCENARIOS.slice(0, 4).map(({ name, faults }) => {
    return [name, lastEnd(faults) - Math.min(...faults.map((fault) => fault.atMs))];
  });
  // Off and on: the last second of the ten is an "on".
  assert.deepEqual(four, [
    ["cut", 5_000],
    ["on-off", 9_000],
    ["delay", 8_000],
    ["loss", 6_000],
  ]);
  assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
});

test("SCENARIO-1: the same seed gives the same schedule, another seed gives another one", () => {
  const all = (seed: number) => SCENARIOS.map((one) => scheduleOf(one, seed));
  assert.deepEqual(all(7), all(7));
  assert.notDeepEqual(all(7), all(8));
});

test("table, report and JUnit: every column in both languages, and nothing from elsewhere", () => {
  const good = judgeLimits(scenario("cut"), findings());
  const bad = judgeLimits(scenario("cut"), findings({ ownErrors: ["<b>&"] }));
  for (const language of ["en", "ja"]) {
    const texts = chaosTexts(language, {});
    const table = summaryTable([good, bad], texts);
    for (const column of Object.values(texts.columns)) assert.ok(table.includes(column), column);
    for (const cell of ["12.0", "timeout 1", "2.0", "0.4", "10/90 (1.11)", "CONNECTED"]) {
      assert.ok(table.includes(cell), cell);
    }
    const html = htmlReport([good, bad], texts, new Date(0));
    assert.match(html, new RegExp(`<html lang="${language}">`));
    assert.match(html, /<svg [^>]+>[\s\S]*<title>RECONNECTING<\/title>/);
    assert.doesNotMatch(html.replaceAll("http://www.w3.org/2000/svg", ""), /https?:|<script|<b>/);
  }
  assert.equal(chaosTexts(undefined, { LANG: "ja_JP.UTF-8" }).language, "ja");
  const xml = junitXml([good, bad]);
  assert.match(xml, /tests="2" failures="1"/);
  assert.match(xml, /&lt;b&gt;&amp;/);
});
