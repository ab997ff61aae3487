/** The rate of PUBLISHes against brokers with and without a quota, in simulated time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishPace } from "@acktor/shared/link/publish-pace";
import { testClock } from "../../support/test-clock.ts";

const STEP_MS = 10;
const RTT_MS = 20;

/** @param takes whether the broker answers a PUBLISH that arrives at this time */
function play(
  pace: PublishPace,
  clock: { at: number },
  forMs: number,
  takes: (at: number) => boolean,
): { sent: number; acked: number } {
  const answers: { at: number; sentAt: number }[] = [];
  let [sent, acked] = [0, 0];
  let open: number[] = [];
  for (const end = clock.at + forMs; clock.at < end; clock.at += STEP_MS) {
    for (; (answers[0]?.at ?? Number.POSITIVE_INFINITY) <= clock.at; answers.shift()) {
      const sentAt = answers[0]?.sentAt ?? 0;
      pace.answered(sentAt);
      open.splice(open.indexOf(sentAt), 1);
      acked++;
    }
    open = open.filter((sentAt) => clock.at - sentAt < 2_000);
    if (clock.at % 100 === 0) pace.judge(RTT_MS * 2);
    while (open.length < 512 && pace.admits(open.length) >= 1) {
      pace.sent(true);
      sent++;
      open.push(clock.at);
      if (takes(clock.at)) answers.push({ at: clock.at + RTT_MS, sentAt: clock.at });
    }
  }
  return { sent, acked };
}

function quotaOf(perSecond: number): (at: number) => boolean {
  let [tokens, filledAt] = [0, 0];
  return (at) => {
    tokens = Math.min(perSecond / 2, tokens + ((at - filledAt) * perSecond) / 1_000);
    filledAt = at;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}

// PUBLISH_PACE-1
test("a broker without a quota is not limited", () => {
  const clock = testClock();
  const pace = new PublishPace({ publishRate: null, clock });
  const { sent, acked } = play(pace, clock, 10_000, () => true);
  assert.deepEqual([pace.rate, pace.quota], [null, null]);
  assert.ok(acked > 0.95 * sent && sent > 100_000, `${sent}`);
});

// PUBLISH_PACE-4
test("a quota is found, used and named", () => {
  for (const perSecond of [50, 100, 500]) {
    const clock = testClock();
    const pace = new PublishPace({ publishRate: null, clock });
    const { sent, acked } = play(pace, clock, 40_000, quotaOf(perSecond));
    assert.ok(acked > 0.6 * perSecond * 40, `${acked} answered of ${perSecond}/s`);
    assert.ok(sent < 1.3 * acked, `${sent} for ${acked}`);
    assert.ok((pace.rate ?? 0) < 2 * perSecond);
  }
});

test("when the quota is lifted the rate comes back", () => {
  const clock = testClock();
  const pace = new PublishPace({ publishRate: null, clock });
  play(pace, clock, 10_000, quotaOf(100));
  assert.ok((pace.rate ?? 1_000) < 200);
  play(pace, clock, 90_000, () => true);
  assert.equal(pace.rate, null);
});

// PUBLISH_PACE-2
test("the configured rate is the most, before and after a quota is known", () => {
  const clock = testClock();
  const pace = new PublishPace({ publishRate: 40, clock });
  const { sent } = play(pace, clock, 10_000, () => true);
  assert.ok(sent >= 380 && sent <= 410, `${sent}`);
  for (let n = 0; n < 3; n++) pace.exceeded();
  assert.ok((pace.rate ?? 1_000) <= 40);
});

// PUBLISH_PACE-3
test("late answers show a broker that answers out of order: no limit", () => {
  const clock = testClock();
  const pace = new PublishPace({ publishRate: null, clock });
  const sentAt = clock.at;
  for (let n = 0; n < 10; n++) pace.sent(true);
  for (clock.at = 100; clock.at <= 1_500; clock.at += 100) {
    pace.sent(true);
    pace.answered(clock.at);
    pace.judge(1);
  }
  assert.notEqual(pace.rate, null);
  for (let n = 0; n < 10; n++) pace.answered(sentAt);
  assert.equal(pace.rate, null);
});

// PUBLISH_PACE-5
for (const share of [0.002, 0.02, 0.1]) {
  test(`where ${share * 100} % are never answered at any rate, the rate does not collapse`, () => {
    const clock = testClock();
    const pace = new PublishPace({ publishRate: null, clock });
    let n = 0;
    const all = play(pace, clock, 60_000, () => ++n % Math.round(1 / share) !== 0);
    const later = play(pace, clock, 60_000, () => ++n % Math.round(1 / share) !== 0);
    assert.ok(later.sent > 0.5 * all.sent && later.sent > 60_000, `${all.sent}, then ${later.sent}`);
  });
}
