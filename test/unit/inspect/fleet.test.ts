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

test("STATION-1: observers are attached with the first viewer of any process, and detached with the last one", async (t) => {
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

test("STATION-2: a viewer sees the transitions of every instance, each once, with rising numbers", async (t) => {
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

test("STATION-1: without viewers only announcements leave the process; moves are kept for later viewers", async (t) => {
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

test("FLEET_VIEW-1: the picture has every instance, the own one first, and the charts of all", async (t) => {
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

test("FLEET_VIEW-2: an instance that appears is reported and watched immediately, and reported again when it stops", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  one.watch();
  // Its first broadcast is over before the other instance exists.
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

test("STATION-3: one actor per name is followed: the previous one stops before the next one starts", (t) => {
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

test("FLEET_VIEW-3: nonsense on each subject is counted and ignored", async (t) => {
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

test("WIRE-3: a report on the subject of another instance is ignored", async (t) => {
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

test("WIRE-2: unknown fields do not reach viewers", async (t) => {
  const bus = new LocalBus();
  const one = join(t, bus, "one");
  const two = join(t, bus, "two");
  one.watch();
  const extra = { ...two.station.snapshot(null), boot: "extra", extra: "canary" };
  bus.publish(SUBJECTS.announce("publisher", "two"), JSON.stringify(extra));
  await until(() => named(one, "instance").some(({ boot }) => boot === "extra"), 1_000);
  assert.ok(!JSON.stringify(one.seen).includes("canary"));
});

test("stopped early and twice: nothing is sent and nothing is followed any more", async (t) => {
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

test("FLEET_VIEW-4: viewers receive a bounded number of bytes of other instances", async (t) => {
  const bus = new LocalBus();
  const [one, two] = [join(t, bus, "one"), join(t, bus, "two")];
  await until(() => one.fleet.count("publisher") === 1, 2_000, "the other instance");
  one.watch();
  const subject = SUBJECTS.announce("publisher", "two");
  const padded = JSON.stringify({ ...two.station.snapshot(null), summary: { text: "x".repeat(60_000) } });
  const before = one.seen.length;
  for (let i = 0; i < 100; i++) bus.publish(subject, padded);
  await until(() => one.seen.length > before, 2_000, "the first announcements");
  await new Promise((resolve) => setImmediate(resolve));
  const heard = one.seen.slice(before).filter(({ name }) => name === "instance").length;
  assert.ok(heard >= 4 && heard < 50, `${heard} of 100 announcements`);
});

test("FLEET_VIEW-5: a listener that throws is counted, and the others receive the event", async (t) => {
  const one = join(t, new LocalBus(), "one");
  one.fleet.listen(() => {
    throw new Error("a listener's own fault");
  });
  one.watch();
  one.actor.send({ type: "go" });
  await until(() => one.seen.length > 0, 2_000, "an event");
  assert.ok(one.fleet.failures > 0);
});

test("STATION-4: answers are bounded in bytes; further questions get no answer", async (t) => {
  const bus = new LocalBus();
  join(t, bus, "one");
  const question = JSON.stringify({ v: 1, viewer: "stranger", recentBytes: 512 * 1_024 });
  let answered = 0;
  for (let i = 0; i < 20; i++) {
    const reply = await bus.request(SUBJECTS.snapshot("publisher"), question, 50);
    if (reply.ok) answered++;
  }
  assert.ok(answered >= 7 && answered < 15, `${answered} of 20 questions`);
});
