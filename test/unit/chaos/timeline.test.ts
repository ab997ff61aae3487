/** The picture of a run: a row for each kind of fault, nothing drawn over seconds of which nothing is known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chaosTexts } from "@acktor/chaos/report/texts";
import { timelineSvg } from "@acktor/chaos/report/timeline-svg";
import type { ScenarioResult } from "@acktor/chaos/run/result";

const none = { published: 0, republished: 0, settled: 0, disconnections: 0, breakerOpenings: 0, errors: {} };
const sample = (t: number, state: string | null) => ({ t, state, breaker: null, counts: none });

/** PostgreSQL away from second 2 to 4: no call was accepted then. */
const result = {
  scenario: "away",
  outcome: "passed",
  durationMs: 6_000,
  faults: [
    { name: "kill postgres", beginMs: 2_000, endMs: 3_000, hits: 1 },
    { name: "kill postgres", beginMs: 4_000, endMs: 5_000, hits: 1 },
    { name: "end-backends", beginMs: 5_000, endMs: 6_000, hits: 7 },
  ],
  samples: [sample(0, "CONNECTED"), sample(3_000, null), sample(5_000, "CONNECTED"), sample(6_000, "CONNECTED")],
  seconds: [0, 1, 5].map((second) => ({ second, accepted: 100, p50Ms: 5, p99Ms: 50 })),
} as unknown as ScenarioResult;

for (const language of ["en", "ja"]) {
  const texts = chaosTexts(language, {});
  const svg = timelineSvg(result, texts);

  test(`${language}: faults of a name share a row, with the sum of their hits`, () => {
    const labels = [...svg.matchAll(/class="small">([^<]*)</g)].map(([, text]) => text);
    assert.ok(labels.includes(`kill postgres (${texts.hits(2)})`));
    assert.ok(labels.includes(`end-backends (${texts.hits(7)})`));
    assert.equal(svg.match(/<title>kill postgres: /g)?.length, 2, "a bar each");
    for (const name of ["CONNECTED", "unknown", texts.accepted, texts.acknowledged, "p50", "p99"]) {
      assert.ok(labels.includes(name), `${name} is explained`);
    }
  });

  test(`RUN_PICTURE-1, ${language}: a second without an accepted message is a 0, and latency has a gap there`, () => {
    const lines = (colour: string) =>
      [...svg.matchAll(/<polyline points="([^"]*)" fill="none" stroke="([^"]*)"/g)]
        .filter(([, , stroke]) => stroke === colour)
        .map(([, points]) => (points ?? "").split(" "));
    const [accepted] = lines("#1565c0");
    assert.equal(accepted?.length, 6);
    const heights = accepted.map((point) => Number(point.split(",")[1]));
    assert.equal(heights[2], Math.max(...heights));
    assert.equal(heights[0], Math.min(...heights));
    assert.equal(lines("#ef6c00").length, 2, "p99 before and after");
  });
}
