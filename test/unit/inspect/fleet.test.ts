/** Stations and viewers on one bus: who is watched when, what is seen, and what nonsense on the bus does. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import type { FleetEvent } from "@acktor/shared/inspect/fleet-view";
import type { InspectEvent, StreamEvents } from "@acktor/shared/inspect/wire";
import { cleanUp } from "../../support/cleanup.ts";
import { SUBJECTS, type TestInstance, type TestInstanceOptions, testInstance } from "../../support/control.ts";
import { until } from "../../support/until.ts";

function join(t: TestContext, bus: LocalBus, name: string, options: TestInstanceOptions = {}): TestInstance {
  const instance = testInstance(bus, name, options);
  cleanUp(t, () => instance.stop());
  return instance;
}

const events = ({ seen }: TestInstance): InspectEvent[] =>
  seen.flatMap((one) => (one.name === "inspect" ? [one.data] : []));
const named = <K extends FleetEvent["name"]>({ seen }: TestInstance, name: K): StreamEvents[K][] =>
  seen.flatMap((one) => (one.name === name ? [one.data as StreamEvents[K]] : []));
const transitions = (instance: TestInstance) => events(instance).filter(({ kind }) => kind === "transition");

test("observers are attached with the first viewer, wherever he is, and detached with the last", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "two", { service: "acker" });
  assert.deepEqual([one.station.watched, two.station.watched], [false, false]);
  const leave = one.watch();
  await until(() => two.station.watched, 1_000);
  assert.equal(one.station.watched, true);
  const leaveTwo = two.watch();
  leave();
  leave();
  // The word of the one who left has come by now; the other one's viewer keeps both watched.
  await bus.requestMany(SUBJECTS.snapshot("acker"), '{"v":1,"viewer":"x"}', { forMs: 1_000, most: 1 });
  assert.deepEqual([one.station.watched, two.station.watched], [true, true]);
  leaveTwo();
  await until(() => !one.station.watched && !two.station.watched, 1_000);
  // Detached: a move is noted, and nothing says by which event it came.
  two.actor.send({ type: "go" });
  assert.deepEqual(
    two.station
      .snapshot(1e6)
      .recent?.map(({ kind }) => kind)
      .at(-1),
    "transition",
  );
  const last = two.station.snapshot(1e6).recent?.at(-1);
  assert.ok(last?.kind === "transition" && last.event === null);
});

test("the same listener given twice listens once, and leaves once", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const listener = (event: FleetEvent): void => void one.seen.push(event);
  const leaves = [one.fleet.listen(listener), one.fleet.listen(listener)];
  one.actor.send({ type: "go" });
  assert.equal(transitions(one).length, 1);
  leaves[0]?.();
  assert.deepEqual([one.fleet.viewers, one.station.watched], [0, false]);
});

test("a viewer sees the transitions of every instance, each once, with rising numbers and nothing hidden", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "p.2");
  one.watch();
  two.watch();
  // Watched from elsewhere too, each says on the bus what its own viewer has seen already.
  await bus.requestMany(SUBJECTS.snapshot("publisher"), '{"v":1,"viewer":"x"}', { forMs: 1_000, most: 2 });
  for (let i = 0; i < 5; i++) for (const { actor } of [one, two]) actor.send({ type: "go" });
  await until(() => transitions(one).length >= 10 && transitions(two).length >= 10, 1_000);
  await bus.requestMany(SUBJECTS.snapshot("publisher"), '{"v":1,"viewer":"x"}', { forMs: 1_000, most: 2 });
  for (const { boot } of [one, two]) {
    const seqs = transitions(one).flatMap((event) => (event.boot === boot ? [event.seq] : []));
    assert.equal(seqs.length, 5);
    assert.deepEqual(
      seqs,
      Array.from({ length: 5 }, (_, at) => (seqs[0] ?? 0) + at),
    );
  }
  assert.ok(!JSON.stringify(one.seen).includes("canary"));
});

test("while nobody watches nothing leaves the process but announcements; moves are kept for who comes late", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const said: string[] = [];
  bus.subscribe(">", ({ subject }) => void said.push(subject));
  one.actor.send({ type: "go" });
  one.actor.send({ type: "go" });
  const late = join(t, bus, "late");
  await until(() => late.fleet.count("publisher") === 1, 1_000);
  assert.ok(said.every((subject) => !subject.includes(".inspect.")));
  const { instances } = await late.fleet.picture(true);
  const recent = instances.find(({ instance }) => instance === "one")?.recent ?? [];
  assert.deepEqual(
    recent.map((event) => (event.kind === "deliveries" ? "" : `${event.kind} ${event.value}`)),
    ["started A", "transition B", "transition A"],
  );
  assert.deepEqual(
    recent.map(({ seq }) => seq),
    [1, 2, 3],
  );
});

test("the picture has every instance, this one first, and the charts of all", async (t) => {
  const bus = new LocalBus();
  const own = { id: "own", states: [], edges: [] };
  const one = join(t, bus, "one", { definitions: [own] });
  join(t, bus, "two", { service: "acker" });
  join(t, bus, "three");
  await until(() => one.fleet.count("acker") + one.fleet.count("publisher") === 2, 1_000);
  const { instances, definitions, bus: view } = await one.fleet.picture(false);
  assert.deepEqual(
    instances.map(({ instance }) => instance),
    ["one", "three", "two"],
  );
  assert.deepEqual(
    definitions.map(({ id }) => id),
    ["own", "toy"],
  );
  assert.deepEqual(view, { kind: "local", connected: true, partial: false });
  assert.ok(instances.every(({ recent, actors }) => recent === undefined && actors.length === 1));
});

test("an instance that appears is told, watched at once, and told again when it says goodbye", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  one.watch();
  // Its first word to everybody is over before the other one is there.
  await new Promise((resolve) => setImmediate(resolve));
  const two = join(t, bus, "two");
  await until(() => two.station.watched, 1_000);
  assert.ok(named(one, "instance").some(({ boot }) => boot === two.boot));
  two.stop();
  await until(() => named(one, "gone").length === 1, 1_000);
  assert.deepEqual(named(one, "gone")[0]?.why, "stopped");
  // What its actors said last came too.
  assert.ok(events(one).some(({ kind, boot }) => kind === "stopped" && boot === two.boot));
});

test("of one name one actor is followed: the one before is stopped before the next is started", (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  one.watch();
  const again = testInstance(new LocalBus(), "elsewhere");
  cleanUp(t, () => again.stop());
  one.station.follow({ name: "role", machine: "toy", actor: again.actor, shown: [], commands: {} });
  one.actor.send({ type: "go" });
  again.actor.send({ type: "go" });
  assert.deepEqual(
    events(one).map(({ kind }) => kind),
    ["stopped", "started", "transition"],
  );
  assert.equal(one.station.snapshot(null).actors.length, 1);
});

const NONSENSE: readonly string[] = [
  "",
  "nonsense",
  "{}",
  "[]",
  '{"v":2,"viewer":"x"}',
  '{"v":1,"viewer":""}',
  JSON.stringify({ v: 1, viewer: "x".repeat(1_000) }),
  `${" ".repeat(1_100_000)}{"v":1,"viewer":"x"}`,
  "\u0000",
];

test("nonsense on each subject is counted, ignored, and hurts nobody", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  one.watch();
  const subjects = [
    SUBJECTS.watch,
    SUBJECTS.snapshot("publisher"),
    SUBJECTS.event("acker", "x", "link"),
    SUBJECTS.announce("acker", "x"),
    SUBJECTS.command("publisher", "one", "pause"),
    SUBJECTS.command("publisher", null, "explode"),
  ];
  for (const subject of subjects) for (const text of NONSENSE) bus.publish(subject, text);
  const counted = (): number => one.station.malformed + one.fleet.malformed + one.desk.malformed;
  await until(() => counted() === subjects.length * NONSENSE.length, 2_000, "all of it to be counted");
  assert.equal(bus.counts.listenerErrors, 0);
  assert.deepEqual([one.obeyed, one.fleet.count("acker")], [[], 0]);
});

test("who speaks for another instance is not believed", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "two");
  one.watch();
  const forged = { ...two.station.snapshot(null), boot: "forged" };
  const before = one.fleet.malformed;
  bus.publish(SUBJECTS.announce("publisher", "three"), JSON.stringify(forged));
  bus.publish(SUBJECTS.announce("acker", "two"), JSON.stringify(forged));
  await until(() => one.fleet.malformed === before + 2, 1_000);
  assert.ok(!named(one, "instance").some(({ boot }) => boot === "forged"));
});

test("fields that the wire does not have do not reach viewers", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "two");
  one.watch();
  const extra = { ...two.station.snapshot(null), boot: "extra", extra: "canary" };
  bus.publish(SUBJECTS.announce("publisher", "two"), JSON.stringify(extra));
  await until(() => named(one, "instance").some(({ boot }) => boot === "extra"), 1_000);
  assert.ok(!JSON.stringify(one.seen).includes("canary"));
});

test("stopped early and twice: nothing is said and nothing is followed any more", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const said: string[] = [];
  one.stop();
  one.stop();
  await new Promise((resolve) => setImmediate(resolve));
  bus.subscribe(">", ({ subject }) => void said.push(subject));
  one.station.start();
  one.fleet.start();
  one.station.follow({ name: "x", machine: "toy", actor: one.actor, shown: [], commands: {} });
  one.watch();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(said, []);
});
