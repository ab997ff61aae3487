/** When a connection is dead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Liveness, type Owed } from "@acktor/shared/mqtt/liveness";

const POLICY = { silenceMs: 2_000, publishDeadlineMs: 2_000, subackMs: 5_000 };
const KEEPALIVE_MS = 5_000;
const NOTHING: Owed = { answers: 0, oldestSentAt: null, overdueAnswers: 0, quota: 2_000, subscribedAt: null };

const fresh = (): Liveness => new Liveness(POLICY, KEEPALIVE_MS, 0);
const why = (liveness: Liveness, at: number, owed: Partial<Owed>): string | null => {
  const verdict = liveness.verdict(at, { ...NOTHING, ...owed });
  return verdict?.kind === "deadline" ? verdict.of : null;
};

// LIVENESS-1
test("an idle connection lives until 1.5 × keepalive without a byte", () => {
  const liveness = fresh();
  assert.equal(why(liveness, 7_499, {}), null);
  assert.equal(why(liveness, 7_500, {}), "keepalive");
  liveness.received(7_499);
  assert.equal(why(liveness, 7_500, {}), null);
});

// LIVENESS-1
test("with a waiting PUBLISH, 2 s of silence end the connection", () => {
  const liveness = fresh();
  liveness.received(10_000);
  assert.equal(why(liveness, 11_999, { answers: 1, oldestSentAt: 9_000 }), null);
  assert.equal(why(liveness, 12_000, { answers: 1, oldestSentAt: 9_000 }), "silence");
});

test("the silence before the PUBLISH does not count", () => {
  const liveness = fresh();
  assert.equal(why(liveness, 4_900, { answers: 1, oldestSentAt: 3_000 }), null);
  assert.equal(why(liveness, 5_000, { answers: 1, oldestSentAt: 3_000 }), "silence");
});

// LIVENESS-1
test("half of the in-flight window without answers ends the connection, though other bytes arrive", () => {
  const liveness = fresh();
  liveness.received(100_000);
  assert.equal(why(liveness, 100_001, { answers: 9, overdueAnswers: 9, quota: 20 }), null);
  assert.equal(why(liveness, 100_001, { answers: 10, overdueAnswers: 10, quota: 20 }), "puback");
  assert.equal(why(liveness, 100_001, { answers: 1, overdueAnswers: 1, quota: 1 }), "puback");
});

test("before there is a quota, nothing is missing", () => {
  assert.equal(why(fresh(), 100, { quota: 0, subscribedAt: 0 }), null);
});

// LIVENESS-1
test("a missing SUBACK ends the connection", () => {
  const liveness = fresh();
  liveness.received(6_000);
  assert.equal(why(liveness, 6_000, { subscribedAt: 1_001 }), null);
  assert.equal(why(liveness, 6_001, { subscribedAt: 1_001 }), "suback");
});

// LIVENESS-2
test("it pings when either side was quiet for a keepalive, and not twice in a row", () => {
  const liveness = fresh();
  assert.equal(liveness.wantsPing(4_999), false);
  assert.equal(liveness.wantsPing(5_000), true);
  liveness.pinged(5_000);
  assert.equal(liveness.wantsPing(5_100), false);
  liveness.received(5_200);
  liveness.written(9_000);
  assert.equal(liveness.wantsPing(10_000), false, "something came 4.8 s ago");
  assert.equal(liveness.wantsPing(10_200), true, "nothing came for 5 s, though we wrote");
});

test("the broker's keepalive counts where it sends one", () => {
  const liveness = fresh();
  liveness.setKeepalive(1_000);
  assert.equal(liveness.wantsPing(1_000), true);
  assert.equal(why(liveness, 1_500, {}), "keepalive");
});
