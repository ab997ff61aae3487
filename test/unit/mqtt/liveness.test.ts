/** When a connection is dead. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Liveness, type Owed } from "@acktor/shared/mqtt/liveness";

const POLICY = { silenceMs: 2_000, publishDeadlineMs: 2_000, subackMs: 5_000, pingMs: 0 };
const KEEPALIVE_MS = 5_000;
const NOTHING: Owed = {
  answers: 0,
  oldestSentAt: null,
  overdueAnswers: 0,
  stalledSince: null,
  quota: 2_000,
  subscribedAt: null,
};

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

// LIVENESS-1
test("a broker that answers pings and no PUBLISH for two deadlines is found, and one that answers some is not", () => {
  const liveness = fresh();
  liveness.received(10_000);
  const owed = { answers: 3, overdueAnswers: 3 };
  assert.equal(why(liveness, 10_000, { ...owed, stalledSince: 6_001 }), null);
  assert.equal(why(liveness, 10_001, { ...owed, stalledSince: 6_001 }), "puback");
  assert.equal(why(liveness, 10_001, { ...owed, overdueAnswers: 2, stalledSince: 1 }), null);
  assert.equal(why(liveness, 10_001, { ...owed, overdueAnswers: 900, stalledSince: null }), null);
});

// LIVENESS-1
test("on a slow line a PINGRESP has as long as its round trip takes", () => {
  const liveness = new Liveness({ ...POLICY, pingMs: 9_000 }, KEEPALIVE_MS, 0);
  assert.equal(why(liveness, 13_999, {}), null);
  assert.equal(why(liveness, 14_000, {}), "keepalive");
});

// LIVENESS-2
test("it pings when either side was quiet for half a keepalive, and not twice in a row", () => {
  const liveness = fresh();
  assert.equal(liveness.wantsPing(2_499, NOTHING), false);
  assert.equal(liveness.wantsPing(2_500, NOTHING), true);
  liveness.pinged(2_500);
  assert.equal(liveness.wantsPing(2_600, NOTHING), false);
  liveness.received(2_700);
  liveness.written(4_500);
  assert.equal(liveness.wantsPing(5_100, NOTHING), false, "something came 2.4 s ago");
  assert.equal(liveness.wantsPing(5_200, NOTHING), true, "nothing came for 2.5 s, though we wrote");
});

// LIVENESS-3
test("an unanswered PUBLISH is asked about, once, before the silence is too long", () => {
  const liveness = fresh();
  liveness.received(1_000);
  const owed = { ...NOTHING, answers: 1, oldestSentAt: 1_000 };
  assert.equal(liveness.wantsPing(1_999, owed), false);
  assert.equal(liveness.wantsPing(2_000, owed), true);
  liveness.pinged(2_000);
  assert.equal(liveness.wantsPing(2_100, owed), false);
  liveness.received(2_200);
  assert.equal(why(liveness, 4_199, owed), null, "the line lives");
});

test("the broker's keepalive counts where it sends one", () => {
  const liveness = fresh();
  liveness.setKeepalive(1_000);
  assert.equal(liveness.wantsPing(500, NOTHING), true);
  assert.equal(why(liveness, 1_500, {}), "keepalive");
});

test("a PINGRESP answers the first ping that has none; one that was not asked for answers nothing", () => {
  const liveness = fresh();
  assert.equal(liveness.pingAnswered(10), null);
  liveness.pinged(100);
  liveness.pinged(2_600);
  assert.equal(liveness.pingAnswered(3_100), 3_000);
  assert.equal(liveness.pingAnswered(3_200), null);
});
