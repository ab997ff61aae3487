/** Requests of a lane that another transaction holds, and the others. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { LockedLanes } from "@acktor/publisher/intake/locked-lanes";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import { acceptedMessage, type InsertCall, insertedRow, intakeRig } from "../../support/intake-rig.ts";
import { until } from "../../support/until.ts";

const FAULT: ApiFault = { code: "lane_locked", message: "locked by pid 7", retryAfterSeconds: 1 };
const key = (orderingKey: string | null) => acceptedMessage({ orderingKey });
const retained = (topic: string) => acceptedMessage({ topic, retain: true });

test("LANES-2: a lane is remembered for a second, by the name that the database gave it", () => {
  let now = 0;
  const lanes = new LockedLanes({ now: () => now });
  lanes.note("k:a", FAULT);
  lanes.note(`r:${createHash("md5").update("plant/1").digest("hex")}`, FAULT);
  assert.equal(lanes.faultOf([key("b"), key(null), retained("plant/2")]), null);
  assert.equal(lanes.faultOf([key("b"), key("a")]), FAULT);
  assert.equal(lanes.faultOf([retained("plant/1")]), FAULT);
  now = 1_000;
  assert.equal(lanes.faultOf([key("a"), retained("plant/1")]), null);
});

test("LANES-2: not more than a thousand lanes are remembered", () => {
  const lanes = new LockedLanes({ now: () => 0 });
  for (let n = 0; n <= 1_000; n++) lanes.note(`k:${n}`, FAULT);
  assert.equal(lanes.faultOf([key("0")]), null);
  assert.equal(lanes.faultOf([key("1000")]), FAULT);
});

test("LANES-1: the intake waits once for a locked lane; the lane's requests are rejected, the others of the group are stored together", async () => {
  const rig = intakeRig();
  const isHeld = ({ messages }: InsertCall): boolean => messages.some(({ orderingKey }) => orderingKey === "held");
  const failure = {
    kind: "rejected",
    maybeCommitted: false,
    code: "55P03",
    message: "pid 7",
    constraint: "k:held",
  } as const;
  rig.answer = (call) =>
    isHeld(call) ? { ok: false, failure } : { ok: true, inserted: call.messages.map(insertedRow) };
  const requests = ["held", "free", "held", null, "held"].map((orderingKey) => rig.intake.submit([key(orderingKey)]));
  const results = await Promise.all(requests);
  assert.deepEqual(
    results.map((r) => (r.ok ? "accepted" : `${r.fault.code}: ${r.fault.message}`)),
    ["lane_locked: pid 7", "accepted", "lane_locked: pid 7", "accepted", "lane_locked: pid 7"],
  );
  assert.deepEqual(
    rig.inserts.map(({ messages }) => messages.length).sort(),
    [1, 1, 4],
    "the plain one was inserted alone",
  );
  const again = await rig.intake.submit([key("held")]);
  assert.ok(!again.ok && rig.inserts.length === 3, "the lane is known to be locked: no insert");
});

test("LANES-1: a plain request does not wait for an insert of lanes", async () => {
  const rig = intakeRig();
  const held: (() => void)[] = [];
  rig.answer = ({ messages }) => {
    const result = { ok: true, inserted: messages.map(insertedRow) } as const;
    return messages.some(({ retain }) => retain) ? new Promise((resolve) => held.push(() => resolve(result))) : result;
  };
  const slow = [retained("a"), retained("b")].map((message) =>
    rig.intake.submit(Array.from({ length: 1_000 }, () => message)),
  );
  assert.ok((await rig.intake.submit([key(null)])).ok);
  await until(() => held.length === 2, 2_000);
  for (const release of held) release();
  assert.ok((await Promise.all(slow)).every(({ ok }) => ok));
  await rig.intake.drain();
});
