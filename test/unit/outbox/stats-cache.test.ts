/** Statistics are counted once however many ask, and not more often than they are worth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryStats } from "@acktor/publisher/outbox/read-stats";
import { StatsCache } from "@acktor/publisher/outbox/stats-cache";

const STATS = { total_messages: 1 } as DeliveryStats;

test("STATS_CACHE-1: concurrent calls share one reading, which is valid for a second or twenty times its duration", async () => {
  let now = 0;
  let readings = 0;
  let costMs = 10;
  const cache = new StatsCache(
    async () => {
      readings++;
      now += costMs;
      return { ok: true, value: STATS };
    },
    { now: () => now },
  );
  await Promise.all([cache.read(), cache.read(), cache.read()]);
  assert.equal(readings, 1);
  now += 900;
  await cache.read();
  assert.equal(readings, 1);
  now += 200;
  costMs = 500;
  await cache.read();
  assert.equal(readings, 2);
  now += 9_000;
  await cache.read();
  assert.equal(readings, 2, "half a second of counting holds for ten");
  now += 1_100;
  await cache.read();
  assert.equal(readings, 3);
});

test("STATS_CACHE-2: a failure is not kept", async () => {
  const failure = { kind: "unavailable", maybeCommitted: false, code: "X", message: "", constraint: null } as const;
  let readings = 0;
  const cache = new StatsCache(
    async () => {
      readings++;
      return readings === 1 ? { ok: false, failure } : { ok: true, value: STATS };
    },
    { now: () => 0 },
  );
  assert.equal((await cache.read()).ok, false);
  assert.equal((await cache.read()).ok, true);
});
