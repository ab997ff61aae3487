/** Who is there to answer, and when what waits for them is resumed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PresenceWatch } from "@acktor/publisher/control/presence-watch";
import { encodePresence, type Presence } from "@acktor/shared/protocol/presence";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { keptLogger } from "../../support/kept-logger.ts";
import { testClock } from "../../support/test-clock.ts";

const WALL_CLOCK = 1_800_000_000;

function rig() {
  const births: (readonly string[])[] = [];
  const clock = testClock(0, WALL_CLOCK * 1_000);
  const { logger, lines } = keptLogger();
  const guard = new ListenerGuard({ logger, clock });
  const watch = new PresenceWatch({
    prefix: "delivery/acker",
    clock,
    births: { add: (filters) => void births.push(filters) },
    logger,
    guard,
  });
  const say = (over: Partial<Presence> & { retain?: boolean; on?: string } = {}): void => {
    const { retain = false, on = over.instance ?? "one", ...rest } = over;
    const record = { instance: "one", status: "online", filters: ["a/#"], since: WALL_CLOCK, ...rest } as const;
    receive(`delivery/acker/${on}`, encodePresence(record), retain);
  };
  const receive = (topic: string, payload: string, retain = false): void => {
    watch.receive({ topic, payload: Buffer.from(payload), qos: 1, retain, userProperties: undefined });
  };
  return { watch, births, clock, say, receive, lines };
}

test("a live birth resumes what waits for its filters", () => {
  const { watch, births, say } = rig();
  say({ filters: ["a/#", "b/+"] });
  assert.deepEqual(births, [["a/#", "b/+"]]);
  assert.deepEqual(watch.list(), [
    { instance: "one", filters: ["a/#", "b/+"], online: true, since: WALL_CLOCK * 1_000 },
  ]);
});

test("PRESENCE-1: a retained birth resumes where it is news; a loss resumes nothing", () => {
  const { watch, births, clock, say } = rig();
  say({ retain: true });
  say({ instance: "two", status: "lost", filters: [], retain: true });
  const all = watch.list().map(({ instance, online }) => [instance, online]);
  assert.deepEqual(all, [
    ["one", true],
    ["two", false],
  ]);
  assert.equal(births.length, 1);
  const again = (over: Parameters<typeof say>[0]): number => {
    watch.connected();
    clock.at += 5_000;
    say({ ...over, retain: true });
    return births.length;
  };
  assert.equal(again({}), 1, "the same record, at the next connection");
  assert.equal(again({ since: WALL_CLOCK + 60 }), 2, "a later one");
  say({ status: "lost", since: WALL_CLOCK + 60 });
  assert.equal(again({ since: WALL_CLOCK + 60 }), 3, "it was known as lost");
});

test("PRESENCE-1, PRESENCE-2: a device without a clock counts live, and retained once a connection", () => {
  const { watch, births, clock, receive } = rig();
  const device = (since: string, retain: boolean, on = "one"): number => {
    clock.at += 5_000;
    receive(
      `delivery/acker/${on}`,
      `{"instance":"${on}","status":"online","filters":["d/1/#"]${since === "" ? "" : `,"since":${since}`}}`,
      retain,
    );
    return births.splice(0).length;
  };
  for (const since of ["", "0", "3600.5", '"2026-11-30"', "null", "-1", "1e308", String(WALL_CLOCK * 1_000)]) {
    const on = `device-${since.replace(/\W/g, "")}`;
    assert.deepEqual([device(since, false, on), device(since, true, on)], [1, 0], since);
    watch.connected();
    assert.deepEqual([device(since, true, on), device(since, true, on)], [1, 0], since);
  }
  assert.equal(watch.counts.ignored, 0);
});

test("PRESENCE-1: with more ackers than are remembered, retained births resume nothing", () => {
  const { births, say } = rig();
  for (let i = 0; i <= 10_005; i++) say({ instance: `i${i}`, retain: true });
  assert.equal(births.length, 10_001);
  say({ instance: "i2" });
  assert.equal(births.length, 10_002, "live ones do");
});

test("a clean stop clears the record", () => {
  const { watch, say, receive } = rig();
  say();
  receive("delivery/acker/one", "", true);
  assert.deepEqual(watch.list(), []);
  assert.equal(watch.counts.ignored, 0);
});

test("PRESENCE-3: a flapping acker resumes destinations once a second, independently of other ackers", () => {
  const { births, clock, say } = rig();
  for (let i = 0; i < 10; i++) {
    say();
    say({ status: "lost" });
    clock.at += 99;
  }
  assert.equal(births.length, 1);
  say({ instance: "two" });
  assert.equal(births.length, 2);
  clock.at += 10;
  say();
  assert.equal(births.length, 3);
});

test("retained records older than 24 hours, and records of another instance or of no form are ignored", () => {
  const { watch, births, say, receive } = rig();
  say({ since: WALL_CLOCK - 24 * 3_600 - 1, retain: true });
  say({ instance: "two", on: "one" });
  receive("delivery/acker/one", "[]");
  receive("delivery/acker/one", '{"instance":"one","status":"online","filters":["a/#/b"],"since":1800000000}');
  assert.deepEqual([births, watch.list(), watch.counts.ignored], [[], [], 4]);
  say({ since: WALL_CLOCK - 24 * 3_600, retain: true });
  say({ instance: "two", since: WALL_CLOCK - 48 * 3_600 });
  assert.equal(births.length, 2);
});

test("an acker whose clock is ahead counts", () => {
  const { births, say } = rig();
  say({ since: WALL_CLOCK + 3_600 });
  assert.equal(births.length, 1);
});

test("PRESENCE-2: the number of ackers remembered is bounded; the one with the oldest record is forgotten", () => {
  const { watch, say } = rig();
  for (let i = 0; i <= 10_000; i++) say({ instance: `i${i}`, retain: true });
  say({ instance: "i1", retain: true });
  say({ instance: "new", retain: true });
  const names = watch.list().map((acker) => acker.instance);
  assert.equal(names.length, 10_000);
  assert.deepEqual([names.includes("i0"), names.includes("i2"), names.includes("i1")], [false, false, true]);
});

test("it takes the topics of presence and no others", () => {
  const { watch } = rig();
  assert.equal(watch.handles("delivery/acker/one"), true);
  assert.equal(watch.handles("delivery/ack/one"), false);
  assert.equal(watch.handles("delivery/ackers/one"), false);
});

test("PRESENCE-4: records beyond the limits are counted, and logged with the instance and the reason, once a minute", () => {
  const { watch, births, clock, say, receive, lines } = rig();
  for (let i = 0; i < 10; i++) {
    say({ instance: `many${i}`, filters: Array.from({ length: 101 }, (_, n) => `t/${n}`) });
    receive("delivery/acker/large", "x".repeat(100_000));
  }
  assert.deepEqual([births, watch.list(), watch.counts.ignored], [[], [], 20]);
  assert.equal(lines.length, 1);
  const { instance, reason } = JSON.parse(lines[0] ?? "") as { instance: string; reason: string };
  assert.deepEqual([instance, reason], ["many0", "has more than 100 filters"]);
  clock.at = 60_000;
  receive("delivery/acker/large", "x".repeat(100_000));
  assert.match(lines[1] ?? "", /is larger than 8192 bytes.*"unsaid":19/);
});

test("what is remembered is bounded in bytes", () => {
  const { watch, say } = rig();
  const filters = Array.from({ length: 100 }, (_, n) => `${"x".repeat(70)}/${n}`);
  for (let i = 0; i < 2_000; i++) say({ instance: `i${i}`, filters, retain: true });
  assert.ok(watch.size > 100 && watch.size < 400, `${watch.size} births of 8 KiB`);
  assert.equal(watch.list().at(-1)?.instance, "i1999");
});

test("the watch knows whether an acker is online", () => {
  const { watch, say, receive } = rig();
  say();
  say({ instance: "two" });
  say({ status: "lost" });
  assert.equal(watch.anyOnline, true);
  receive("delivery/acker/two", "");
  assert.equal(watch.anyOnline, false);
});
