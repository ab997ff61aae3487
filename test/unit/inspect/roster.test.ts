/** Which instances are present: reported, stopped with a notice, or silent for too long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster } from "@acktor/shared/inspect/roster";
import { type InstanceGone, type InstanceSnapshot, SILENT_AFTER_MS } from "@acktor/shared/inspect/wire";

function rig() {
  const gone: InstanceGone[] = [];
  const clock = { now: 0 };
  const roster = new Roster(
    { now: () => clock.now, wallClock: () => 1_000 },
    { instanceGone: (one) => void gone.push(one) },
  );
  return { roster, gone, clock };
}

function snapshot(boot: string, over: Partial<InstanceSnapshot> = {}): InstanceSnapshot {
  const names = { service: "acker", instance: "a", boot, version: "1" } as const;
  return { v: 1, ...names, seq: 1, ts: 0, startedAt: 0, actors: [], summary: {}, ...over };
}

test("ROSTER-1: an instance is new once, then known, and gone once after its silence", () => {
  const { roster, gone, clock } = rig();
  assert.equal(roster.heard(snapshot("1")), true);
  clock.now = 3_000;
  assert.equal(roster.heard(snapshot("1", { seq: 2 })), false);
  assert.deepEqual(
    roster.list().map(({ seq }) => seq),
    [2],
  );
  clock.now += SILENT_AFTER_MS;
  roster.forgetSilent();
  assert.equal(gone.length, 0);
  clock.now += 1;
  roster.forgetSilent();
  roster.forgetSilent();
  assert.deepEqual(gone, [{ v: 1, service: "acker", instance: "a", boot: "1", ts: 1_000, why: "silent" }]);
  assert.deepEqual(roster.list(), []);
  assert.equal(roster.heard(snapshot("1")), true);
});

test("a killed instance is gone within ten seconds, with the half second between two sweeps", () => {
  assert.ok(SILENT_AFTER_MS + 500 < 10_000);
});

test("ROSTER-1, ROSTER-4: a stop counts immediately; older messages do not bring the instance back, a new boot does", () => {
  const { roster, gone } = rig();
  roster.heard(snapshot("1"));
  assert.equal(roster.heard(snapshot("1", { stopping: true })), null);
  assert.equal(roster.heard(snapshot("1")), null);
  assert.deepEqual(
    gone.map(({ why }) => why),
    ["stopped"],
  );
  assert.equal(roster.heard(snapshot("2")), true);
});

test("the stop of an unknown instance is not reported", () => {
  const { roster, gone } = rig();
  assert.equal(roster.heard(snapshot("1", { stopping: true })), null);
  assert.deepEqual(gone, []);
});

test("two boots of one name are two instances", () => {
  const { roster } = rig();
  roster.heard(snapshot("1"));
  assert.equal(roster.heard(snapshot("2")), true);
  assert.equal(roster.list().length, 2);
});

test("ROSTER-2: after a disconnect of the bus every silence starts again", () => {
  const { roster, gone, clock } = rig();
  roster.heard(snapshot("1"));
  clock.now = 60_000;
  roster.forgive();
  roster.forgetSilent();
  assert.deepEqual(gone, []);
});

test("ROSTER-3: a flood of instances is bounded", () => {
  const { roster } = rig();
  for (let i = 0; i < 2_000; i++) roster.heard(snapshot(String(i)));
  assert.equal(roster.list().length, 1_000);
});

test("ROSTER-5: with inOrder, older messages and events of a boot are ignored", () => {
  const { roster } = rig();
  const event = { service: "acker", instance: "a", boot: "1" } as const;
  roster.heard(snapshot("1", { seq: 5 }), true);
  assert.equal(roster.heard(snapshot("1", { seq: 4 }), true), null);
  assert.equal(roster.heard(snapshot("1", { seq: 4 })), false);
  assert.equal(roster.heardEvent({ ...event, seq: 7 }, true), true);
  assert.equal(roster.heardEvent({ ...event, seq: 7 }, true), false);
  assert.equal(roster.heardEvent({ ...event, seq: 6 }, false), true);
});
