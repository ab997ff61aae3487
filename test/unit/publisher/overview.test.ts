/** The overview's parts that only count: rates, percentiles, the account of an outage, warnings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyWindow } from "@acktor/publisher/overview/latency-window";
import { OutageAccount, type OutageFacts } from "@acktor/publisher/overview/outage-account";
import { RateMeter } from "@acktor/publisher/overview/rate-meter";
import { type WarningFacts, Warnings } from "@acktor/publisher/overview/warnings";

test("rates are those of the period, a second after the start and at any later time", () => {
  const meter = new RateMeter(10_000);
  const sample = (at: number, accepted: number): void => meter.sample(at, { accepted, published: 0, acknowledged: 0 });
  sample(0, 0);
  assert.equal(meter.rates().accepted, 0);
  sample(1_000, 50);
  assert.equal(meter.rates().accepted, 50);
  for (let second = 2; second <= 60; second++) sample(second * 1_000, second < 50 ? 50 : 50 + (second - 50) * 200);
  assert.equal(meter.rates().accepted, 200, "what was before the window does not count");
});

test("percentiles are right within a tenth, of the last five minutes only", () => {
  let now = 0;
  const window = new LatencyWindow({ now: () => now });
  assert.deepEqual(window.read(), { window_seconds: 300, samples: 0, p50_ms: null, p95_ms: null });
  for (let ms = 1; ms <= 1_000; ms++) window.add(ms);
  const { samples, p50_ms, p95_ms } = window.read();
  assert.equal(samples, 1_000);
  assert.ok(Math.abs((p50_ms ?? 0) - 500) < 50, `p50 ${p50_ms}`);
  assert.ok(Math.abs((p95_ms ?? 0) - 950) < 95, `p95 ${p95_ms}`);
  window.add(0);
  window.add(Number.MAX_SAFE_INTEGER);
  now = 200_000;
  for (let n = 0; n < 10_000; n++) window.add(10);
  assert.ok(Math.abs((window.read().p50_ms ?? 0) - 10) < 1);
  now = 320_000;
  assert.equal(window.read().samples, 10_000, "the first thousand are older than five minutes");
  now = 1_000_000;
  assert.equal(window.read().samples, 0);
});

function facts(over: Partial<OutageFacts> & { count?: number } = {}): OutageFacts {
  const { count = 0, ...rest } = over;
  const counts = { accepted: count, acknowledged: count, resent: count, double: count };
  return { at: 0, connection: "CONNECTED", waiting: 0, counts, ...rest };
}

// OUTAGE-2
test("the account of an outage: what came since the last calm moment, until what waited is gone", () => {
  const account = new OutageAccount();
  account.note(facts({ connection: "CONNECTING" }));
  account.note(facts({ at: 1, waiting: 2, count: 10 }));
  assert.equal(account.read(), null, "the first connection ends no outage");
  account.note(facts({ at: 5, connection: "RECONNECTING", waiting: 3, count: 11 }));
  assert.deepEqual(account.read(), began(5, null, false, 1));
  account.note(facts({ at: 6, connection: "CONNECTING", waiting: 50, count: 30 }));
  account.note(facts({ at: 9, waiting: 50, count: 31 }));
  assert.deepEqual(account.read(), began(5, 9, false, 21));
  account.note(facts({ at: 10, waiting: 2, count: 60 }));
  assert.deepEqual(account.read(), began(5, 9, true, 50));
  account.note(facts({ at: 11, waiting: 0, count: 99 }));
  assert.deepEqual(account.read(), began(5, 9, true, 50), "what comes later belongs to no outage");
  account.note(facts({ at: 20, connection: "ERROR", count: 100 }));
  assert.deepEqual(account.read(), began(20, null, false, 1), "the next one replaces it");
});

// OUTAGE-1
test("a broker that disconnects again before all is settled makes one longer outage; requested disconnects make none", () => {
  const account = new OutageAccount();
  account.note(facts());
  account.note(facts({ at: 1, connection: "RECONNECTING", waiting: 9 }));
  account.note(facts({ at: 2, waiting: 9 }));
  account.note(facts({ at: 700_000, waiting: 9 }));
  assert.equal(account.read()?.settled, true, "ten minutes are enough");
  const asked = new OutageAccount();
  asked.note(facts());
  asked.note(facts({ at: 1, connection: "DISCONNECTED" }));
  asked.note(facts({ at: 2, connection: "CONNECTING" }));
  assert.equal(asked.read(), null);
});

function began(began_at: number, ended_at: number | null, settled: boolean, count: number): object {
  return { began_at, ended_at, settled, accepted: count, acknowledged: count, resent: count, double: count };
}

const CALM: WarningFacts = {
  at: 1_000_000,
  postgres: "ok",
  connection: "CONNECTED",
  reason: null,
  breaker: "CLOSED",
  service: "RUNNING",
  ackerSeenAt: 1_000_000,
  waiting: 10,
  highWater: 1_000,
  oldestWaitingMs: 500,
  oldWaitingMs: 300_000,
  parked: 0,
  ignoredAcks: null,
  locks: [],
  hangUps: null,
  quota: null,
  troubles: [],
};

test("there is no warning without trouble", () => assert.deepEqual(new Warnings().note(CALM), []));

const TROUBLES: readonly (readonly [code: string, over: Partial<WarningFacts>])[] = [
  ["postgres_away", { postgres: "read_only" }],
  ["broker_away", { connection: "RECONNECTING", reason: "ECONNREFUSED" }],
  ["breaker_open", { breaker: "OPEN" }],
  ["no_acker", { ackerSeenAt: 1_000_000 - 120_000 }],
  ["high_water", { waiting: 1_000 }],
  ["near_high_water", { waiting: 800 }],
  ["old_waiting", { oldestWaitingMs: 300_001 }],
  ["old_lock", { locks: [{ holder: "pid 1", seconds: 90 }] }],
  ["parked", { parked: 2 }],
  ["acks_ignored", { ignoredAcks: { device: "d", reason: "is not JSON", count: 3, devices: 1 } }],
  ["paused", { service: "PAUSED" }],
  ["failing", { troubles: [{ area: "claim", code: "22003", remedy: "Look.", forMs: 5_000 }] }],
];

for (const [code, over] of TROUBLES) {
  test(`${code} is the only warning`, () => {
    assert.deepEqual(
      new Warnings().note({ ...CALM, ...over }).map((warning) => warning.code),
      [code],
    );
  });
}

test("a warning dates from its first appearance; one that ended and comes again gets a new date", () => {
  const warnings = new Warnings();
  const since = (at: number, breaker: string): number | undefined => {
    return warnings.note({ ...CALM, at, breaker, ackerSeenAt: at })[0]?.since;
  };
  assert.deepEqual([since(1, "OPEN"), since(5, "OPEN"), since(6, "CLOSED"), since(7, "OPEN")], [1, 1, undefined, 7]);
  assert.equal(
    warnings.note({ ...CALM, connection: "ERROR", ackerSeenAt: 0 }).some((w) => w.code === "no_acker"),
    false,
    "only the broker knows which ackers are connected",
  );
});
