/** The fleet as the page knows it: who lives, who stopped, who came back. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Fleet } from "../../../services/publisher/console/src/state/fleet.ts";
import { FakeInstance, fakeFleet } from "../../support/fake-fleet.ts";

function stateOf(fleet: Fleet, key: string): string {
  const instance = fleet.get(key);
  if (instance === undefined) return "unknown";
  return instance.stoppedAt === null ? "live" : "stopped";
}

test("FLEET-1: publishers come first, by number; an event has its actor's complete state", () => {
  const fleet = new Fleet();
  const instances = fakeFleet(11, 1);
  fleet.takeAll(
    instances.map((one) => one.snapshot()),
    0,
    false,
  );
  const names = fleet.list().map(({ instance }) => instance);
  assert.deepEqual(
    [names[0], names[1], names[10], names[11]],
    ["publisher-1", "publisher-2", "publisher-11", "acker-1"],
  );
  const [first = new FakeInstance("publisher", "none")] = instances;
  fleet.takeEvent(first.move("link", { connection: "ERROR", breaker: "CLOSED" }, "session.ended", ["edge"]));
  const link = fleet.get("publisher/publisher-1")?.actors.get("link");
  assert.deepEqual(
    [link?.value, link?.event, link?.edges],
    [{ connection: "ERROR", breaker: "CLOSED" }, "session.ended", ["edge"]],
  );
});

test("FLEET-2: an instance that has left, or is missing in a complete view, has stopped; in a partial view it has not", () => {
  const fleet = new Fleet();
  const [one, two, three] = fakeFleet(3, 0).map((instance) => instance.snapshot());
  assert.ok(one && two && three);
  fleet.takeAll([one, two, three], 0, false);
  fleet.takeGone({ v: 1, service: "publisher", instance: "publisher-1", boot: one.boot, ts: 5, why: "stopped" });
  fleet.takeGone({ v: 1, service: "publisher", instance: "publisher-2", boot: "an earlier one", ts: 5, why: "silent" });
  assert.deepEqual(
    ["1", "2"].map((n) => stateOf(fleet, `publisher/publisher-${n}`)),
    ["stopped", "live"],
  );
  fleet.takeAll([one], 10, true);
  assert.deepEqual(
    ["1", "2", "3"].map((n) => stateOf(fleet, `publisher/publisher-${n}`)),
    ["live", "live", "live"],
  );
  fleet.takeAll([one, two], 10, false);
  assert.equal(stateOf(fleet, "publisher/publisher-3"), "stopped");
});

test("FLEET-2: a silent instance has stopped until its next event", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const fleet = new Fleet();
  const speaker = new FakeInstance("acker", "a");
  fleet.takeInstance(speaker.snapshot());
  now = 7_000;
  assert.equal(fleet.markSilent(1), false);
  now = 8_000;
  assert.equal(fleet.markSilent(1), true);
  assert.equal(stateOf(fleet, "acker/a"), "stopped");
  fleet.takeEvent(speaker.move("receiver", "PAUSED", "receiver.pause"));
  assert.equal(stateOf(fleet, "acker/a"), "live");
  now = 20_000;
  fleet.trustAll();
  assert.equal(fleet.markSilent(1), false, "a lost stream is not silence of an instance");
  mock.restoreAll();
});

test("FLEET-2: another boot replaces the instance completely", () => {
  const fleet = new Fleet();
  const instance = new FakeInstance("acker", "a");
  fleet.takeInstance(instance.snapshot());
  fleet.takeEvent({ ...instance.move("receiver", "LISTENING", "x"), boot: "new" });
  const seen = fleet.get("acker/a");
  assert.deepEqual([seen?.boot, [...(seen?.actors.keys() ?? [])]], ["new", ["receiver"]]);
});

test("FLEET-3: at most 500 instances are kept; those that stopped first are dropped first", () => {
  const fleet = new Fleet();
  fleet.takeAll(
    fakeFleet(300, 250).map((instance) => instance.snapshot()),
    0,
    true,
  );
  assert.equal(fleet.list().length, 500);
  const [stopped] = fleet.list();
  assert.ok(stopped);
  const { service, instance, boot, key } = stopped;
  fleet.takeGone({ v: 1, service, instance, boot, ts: 5, why: "stopped" });
  fleet.takeInstance(new FakeInstance("acker", "new").snapshot());
  assert.equal(fleet.get(key), undefined);
  assert.ok(fleet.get("acker/new"));
});

test("a snapshot that is older than an event does not undo it", () => {
  const fleet = new Fleet();
  const instance = new FakeInstance("acker", "a");
  const before = instance.snapshot();
  fleet.takeEvent(instance.move("receiver", "PAUSED", "receiver.pause"));
  fleet.takeInstance(before);
  assert.equal(fleet.get("acker/a")?.actors.get("receiver")?.value, "PAUSED");
});
