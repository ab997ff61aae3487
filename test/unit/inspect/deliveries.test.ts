/** Steps of messages: complete counts, some of the steps, ten times a second, and nothing without a viewer. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type DeliveryFact, DeliveryFeed } from "@acktor/shared/inspect/deliveries";

function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 5_000 });
  const told: DeliveryFact[] = [];
  const feed = new DeliveryFeed({ tell: (fact) => void told.push(fact) }, { wallClock: () => Date.now() });
  return { feed, told };
}

test("DELIVERIES-1: without viewers nothing is kept", (t) => {
  const { feed, told } = rig(t);
  assert.equal(feed.watched, false);
  feed.note("accepted", "1", "a");
  feed.setWatched(true);
  t.mock.timers.tick(1_000);
  assert.deepEqual(told, []);
});

test("DELIVERIES-2: one event for a tenth of a second: every count, the first fifty steps in order", (t) => {
  const { feed, told } = rig(t);
  feed.setWatched(true);
  feed.note("published", "1", "a", 2);
  t.mock.timers.tick(10);
  feed.note("puback", "1", "a", 2, 0x10);
  for (let i = 0; i < 200; i++) feed.note("accepted", String(i), "b");
  t.mock.timers.tick(89);
  assert.equal(told.length, 0);
  t.mock.timers.tick(1);
  assert.deepEqual(told[0]?.counts, { published: 1, puback: 1, accepted: 200 });
  assert.equal(told[0]?.steps.length, 50);
  assert.deepEqual(told[0]?.steps.slice(0, 3), [
    { step: "published", message_id: "1", ts: 5_000, topic: "a", attempt: 2 },
    { step: "puback", message_id: "1", ts: 5_010, topic: "a", attempt: 2, detail: 0x10 },
    { step: "accepted", message_id: "0", ts: 5_010, topic: "b" },
  ]);
  t.mock.timers.tick(1_000);
  assert.equal(told.length, 1);
});

test("the last viewer leaves: unsent steps are dropped", (t) => {
  const { feed, told } = rig(t);
  feed.setWatched(true);
  feed.note("accepted", "1", "a");
  feed.setWatched(false);
  t.mock.timers.tick(1_000);
  assert.deepEqual(told, []);
});

test("foreign text is bounded", (t) => {
  const { feed, told } = rig(t);
  feed.setWatched(true);
  feed.note("rejected", "1", "t".repeat(5_000), 1, "r".repeat(5_000));
  t.mock.timers.tick(100);
  const [step] = told[0]?.steps ?? [];
  assert.deepEqual([step?.topic.length, String(step?.detail).length], [300, 200]);
});
