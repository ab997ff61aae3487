/** A slice of the walks along a life: the acker's line to PostgreSQL and the publisher's to the broker, cut at each message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BENCH_ENV, Bench } from "@acktor/chaos/controls/bench";
import { walkLife } from "@acktor/chaos/crash/walk-life";
import { REPOSITORY } from "@acktor/chaos/world/built";
import { startWorld } from "@acktor/chaos/world/world";
import { cleanUp } from "../support/cleanup.ts";

test("a life is cut at each of its messages, and ends acknowledged with one effect", {
  timeout: 120_000,
}, async (t) => {
  const world = await startWorld({ env: BENCH_ENV, withoutNats: true, inspectsDatabase: true });
  cleanUp(t, () => world.stop());
  const bench = new Bench(world, REPOSITORY);
  const { signal } = new AbortController();
  for (const walk of [
    { line: "publisher.mqtt", side: "before", least: 4 },
    { line: "publisher.mqtt", side: "after", least: 4 },
    { line: "acker.db", side: "after", least: 6 },
  ] as const) {
    const { cuts, findings } = await walkLife(bench, walk, signal);
    t.diagnostic(`${walk.line} ${walk.side}: ${cuts} messages`);
    assert.deepEqual(findings, []);
    assert.ok(cuts >= walk.least, `${cuts} messages were cut`);
  }
});
