/** When the token of a live connection is renewed. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Credentials } from "@acktor/shared/link/credentials";
import { Renewal } from "@acktor/shared/link/renewal";
import { HALF, testClock } from "../../support/test-clock.ts";

const MINUTE = 60_000;
const clock = testClock();

function login(endsInMs: number, name = "a"): Credentials {
  const body = Buffer.from(JSON.stringify({ exp: (clock.wallAt + endsInMs) / 1_000, name })).toString("base64url");
  return { username: null, password: `x.${body}.x`, auth: null, tls: {} };
}

/** @returns how often `next` made it ask for another connection within ten minutes */
async function renewals(
  t: TestContext,
  used: Credentials,
  next: Credentials,
): Promise<{ times: number; afterMs: number }> {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const seen = { times: 0, afterMs: 0 };
  const source = { read: () => ({ ok: true as const, credentials: next }) };
  let passed = 0;
  const owner = {
    renew() {
      seen.times++;
      seen.afterMs = passed;
    },
  };
  const renewal = new Renewal({ source, clock, random: HALF, leastMs: 30_000 }, owner, used);
  for (; passed < 10 * MINUTE; passed += 500) {
    t.mock.timers.tick(500);
    await Promise.resolve();
    await Promise.resolve();
  }
  renewal.stop();
  t.mock.timers.reset();
  return seen;
}

// RENEWAL-3
test("a token that had ended at its login, by a clock that is ahead, is not watched", async (t) => {
  assert.equal((await renewals(t, login(-MINUTE), login(MINUTE))).times, 0);
});

// RENEWAL-1
test("another token that ends no later is not taken; one that ends later is, once, before the end", async (t) => {
  assert.equal((await renewals(t, login(5 * MINUTE), login(5 * MINUTE, "b"))).times, 0);
  const { times, afterMs } = await renewals(t, login(5 * MINUTE), login(6 * MINUTE));
  assert.equal(times, 1);
  assert.ok(afterMs < 5 * MINUTE && afterMs > 4 * MINUTE, `${afterMs}`);
});

// RENEWAL-3
test("a token that ends within seconds of its login keeps the connection for 30 s", async (t) => {
  const { times, afterMs } = await renewals(t, login(5_000), login(10_000));
  assert.equal(times, 1);
  assert.ok(afterMs >= 29_500, `${afterMs}`);
});
