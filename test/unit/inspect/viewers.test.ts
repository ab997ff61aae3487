/** Who watches from elsewhere: signs of life that expire. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BEAT_EVERY_MS, LEFT_AFTER_MS, Viewers } from "@acktor/shared/inspect/viewers";

function rig(t: TestContext) {
  t.mock.timers.enable({ apis: ["setInterval", "Date"], now: 0 });
  const changes: boolean[] = [];
  const viewers = new Viewers({ now: () => Date.now() }, { viewersChanged: (present) => void changes.push(present) });
  t.after(() => viewers.stop());
  return { viewers, changes };
}

test("VIEWERS-1: the first viewer that comes and the last one that leaves are reported, the others are not", (t) => {
  const { viewers, changes } = rig(t);
  viewers.beat("a");
  viewers.beat("a");
  viewers.beat("b");
  viewers.leave("a");
  assert.deepEqual(changes, [true]);
  viewers.leave("b");
  viewers.leave("b");
  assert.deepEqual(changes, [true, false]);
});

test("a silent viewer has left after twelve seconds; one that sends beats stays", (t) => {
  const { viewers, changes } = rig(t);
  viewers.beat("dies");
  for (let ms = 0; ms < 60_000; ms += BEAT_EVERY_MS) {
    viewers.beat("lives");
    t.mock.timers.tick(BEAT_EVERY_MS);
  }
  assert.deepEqual(changes, [true]);
  t.mock.timers.tick(LEFT_AFTER_MS - BEAT_EVERY_MS);
  assert.equal(viewers.present, true);
  t.mock.timers.tick(2_000);
  assert.deepEqual(changes, [true, false]);
});

test("two beats may be lost before a viewer is forgotten", () => {
  assert.ok(LEFT_AFTER_MS > 2 * BEAT_EVERY_MS);
});

test("VIEWERS-2: a flood of viewers is bounded, and the instance is watched", (t) => {
  const { viewers, changes } = rig(t);
  for (let i = 0; i < 5_000; i++) viewers.beat(String(i));
  for (let i = 0; i < 1_000; i++) viewers.leave(String(i));
  assert.deepEqual(changes, [true, false]);
});
