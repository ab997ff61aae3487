/** Every shortest path of the receiver machine, replayed on the real thing with a link that is not real. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import { Intake } from "@acktor/acker/subscribe/intake";
import { Places } from "@acktor/acker/subscribe/places";
import { Receiver } from "@acktor/acker/subscribe/receiver";
import { type ReceiverEvent, receiverMachine } from "@acktor/acker/subscribe/receiver-machine";
import { ListenerGuard } from "@acktor/shared/runtime/guarded-listener";
import { createLogger } from "@acktor/shared/runtime/logger";
import { initialTransition, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";
import { type FakeLink, fakeLink } from "../support/fake-link.ts";
import { HALF } from "../support/test-clock.ts";

const EVENTS: ReceiverEvent[] = [
  { type: "link.opened" },
  { type: "database.returned" },
  { type: "receiver.pause" },
  { type: "receiver.resume" },
  { type: "receiver.drain" },
  { type: "receiver.drained" },
];

const MOVES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  LISTENING: { "receiver.pause": "PAUSED", "receiver.drain": "DRAINING" },
  PAUSED: { "receiver.resume": "LISTENING", "receiver.drain": "DRAINING" },
  DRAINING: { "receiver.drained": "STOPPED" },
  STOPPED: {},
};

function setUp(link: FakeLink, group: string | null = null) {
  const counts = createCounts();
  const places = new Places({ limit: 100, byteLimit: 1_000 });
  const clock = { now: () => 0, wallClock: () => 1_000 };
  const intake = new Intake({ places, next: { take: () => true }, ownPrefixes: [], counts, clock });
  const warnings: string[] = [];
  const logger = createLogger("acker", "a", "warn", { write: (line) => void warnings.push(line) });
  const guard = new ListenerGuard({ logger, clock: { now: () => 0 } });
  const presence = { ACKTOR_PRESENCE: "on", ACKTOR_PRESENCE_PREFIX: "delivery/acker" } as const;
  const config = { ACKTOR_TOPICS: ["data/#"], ACKTOR_TOPIC_MAP: null, ACKTOR_GROUP: group, ...presence };
  const receiver = new Receiver({ link, intake, config, instance: "a", clock, random: HALF, logger, guard });
  receiver.start();
  return { places, warnings, receiver };
}

test("from each state each event leads where the table says, and nowhere else", () => {
  const [first] = initialTransition(receiverMachine);
  const seen = new Set<string>();
  for (const { state } of getShortestPaths(receiverMachine, { events: EVENTS })) {
    const from = String(state.value);
    seen.add(from);
    if (state.status !== "active") continue;
    for (const event of EVENTS) {
      const to: unknown = transition(receiverMachine, state, event)[0].value;
      assert.equal(to, MOVES[from]?.[event.type] ?? from, `${from} on ${event.type}`);
    }
  }
  assert.equal(first.value, "LISTENING");
  assert.deepEqual([...seen].sort(), Object.keys(MOVES).sort());
});

for (const path of getShortestPaths(receiverMachine, { events: EVENTS })) {
  const steps = path.steps.map((step): string => step.event.type).filter((type) => type !== "xstate.init");
  test(`path: ${["start", ...steps].join(" → ")}`, () => {
    const link = fakeLink();
    const { receiver, places } = setUp(link);
    const act: Readonly<Record<string, () => void>> = {
      "link.opened": () => link.emit("link.connected", { protocolVersion: 5, broker: "b", clientId: "c" }),
      "database.returned": () => receiver.databaseReturned(),
      "receiver.pause": () => receiver.pause(),
      "receiver.resume": () => receiver.resume(),
      "receiver.drain": () => receiver.drain(),
      "receiver.drained": () => receiver.stop(),
    };
    for (const step of steps) act[step]?.();
    const listening = path.state.value === "LISTENING";
    assert.equal(receiver.state(), path.state.value);
    assert.deepEqual([...link.subscribed.keys()], listening ? ["data/#"] : []);
    link.emit("link.message", {
      topic: "data/a",
      payload: Buffer.from("x"),
      qos: 1,
      retain: false,
      userProperties: undefined,
    });
    assert.equal(places.size(), listening ? 1 : 0);
    receiver.stop();
    receiver.stop();
  });
}

test("every connection and every return of the database is announced; a pause withdraws", () => {
  const link = fakeLink();
  const { receiver } = setUp(link);
  const said = (): string[] => link.published.map(({ message }) => (message.payload === "" ? "clear" : "birth"));
  assert.deepEqual(said(), ["birth"]);
  link.emit("link.connected", { protocolVersion: 5, broker: "b", clientId: "c" });
  receiver.databaseReturned();
  receiver.pause();
  receiver.databaseReturned();
  receiver.resume();
  assert.deepEqual(said(), ["birth", "birth", "birth", "clear", "birth"]);
  assert.ok(link.published.every(({ message }) => message.retain && message.qos === 1));
  for (const { settle } of link.published) settle({ kind: "acked", reasonCode: 0 });
  receiver.stop();
});

// RECEIVER-1
test("a birth that the broker did not take is said again when the link takes publishes", () => {
  const link = fakeLink();
  const { receiver } = setUp(link);
  link.published[0]?.settle({ kind: "unsent", why: "breaker_open" });
  link.emit("link.writable", {});
  assert.equal(link.published.length, 2);
  link.published[1]?.settle({ kind: "acked", reasonCode: 0 });
  link.emit("link.writable", {});
  assert.equal(link.published.length, 2);
  receiver.stop();
});

test("RECEIVER-4: the birth of an acker that stays connected is renewed every few hours", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const link = fakeLink();
  const { receiver } = setUp(link);
  const hours = (count: number): number => {
    t.mock.timers.tick(count * 3_600_000);
    for (const { settle } of link.published) settle({ kind: "acked", reasonCode: 0 });
    return link.published.length;
  };
  assert.deepEqual([hours(3.9), hours(0.2), hours(3.9), hours(0.2)], [1, 2, 2, 3]);
  receiver.pause();
  assert.equal(hours(24), 4, "withdrawn, and nothing after that");
  receiver.resume();
  receiver.stop();
  assert.equal(hours(24), 5);
});

// RECEIVER-2
test("the group is chosen by what the broker says, each time it connects; its lack is said once", () => {
  const link = fakeLink();
  link.state = "DISCONNECTED";
  const { receiver, warnings } = setUp(link, "g");
  assert.deepEqual([...link.subscribed.keys()], []);
  const connect = (shared: boolean): string[] => {
    link.state = "CONNECTED";
    link.shared = shared;
    link.emit("link.connected", { protocolVersion: 5, broker: "b", clientId: "c" });
    return [...link.subscribed.keys()];
  };
  assert.deepEqual(connect(true), ["$share/g/data/#"]);
  assert.deepEqual(connect(false), ["data/#"]);
  assert.deepEqual(connect(true), ["$share/g/data/#"]);
  assert.deepEqual(connect(false), ["data/#"]);
  assert.equal(warnings.length, 1);
  for (const { settle } of link.published) settle({ kind: "acked", reasonCode: 0 });
  receiver.stop();
});
