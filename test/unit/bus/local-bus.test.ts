/** The bus of one process: what it promises without a network. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalBus } from "@acktor/shared/bus/local-bus";
import { until } from "../../support/until.ts";

/** Resolves when everything published before has been delivered. */
const delivered = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("a message reaches every matching subscription after the call returns, and none that has ended", async () => {
  const bus = new LocalBus();
  const heard: string[] = [];
  const off = bus.subscribe("a.*", ({ subject, text }) => heard.push(`one ${subject} ${text}`));
  bus.subscribe("a.>", () => heard.push("two"));
  bus.subscribe("b.*", () => heard.push("never"));
  assert.equal(bus.publish("a.x", "1"), true);
  assert.deepEqual(heard, []);
  await delivered();
  assert.deepEqual(heard, ["one a.x 1", "two"]);
  off();
  off();
  bus.publish("a.x", "2");
  await delivered();
  assert.deepEqual(heard.slice(2), ["two"]);
});

test("of a queue one gets each message, in turn", async () => {
  const bus = new LocalBus();
  const counts = { one: 0, two: 0 };
  bus.subscribe("work", () => counts.one++, { queue: "q" });
  bus.subscribe("work", () => counts.two++, { queue: "q" });
  for (let i = 0; i < 10; i++) bus.publish("work", "");
  await delivered();
  assert.deepEqual(counts, { one: 5, two: 5 });
});

test("a request has one answer, or the reason why it has none", async () => {
  const bus = new LocalBus();
  assert.deepEqual(await bus.request("nobody", "", 1_000), { ok: false, kind: "no_responder" });
  bus.subscribe("silent", () => undefined);
  assert.deepEqual(await bus.request("silent", "", 5), { ok: false, kind: "deadline" });
  bus.subscribe("echo", ({ text, respond }) => {
    respond(text);
    respond("once is enough");
  });
  assert.deepEqual(await bus.request("echo", "hello", 1_000), { ok: true, text: "hello" });
});

test("a request to all ends with the last listener's answer, or with its timeout", async () => {
  const bus = new LocalBus();
  assert.deepEqual(await bus.requestMany("who", "", { forMs: 60_000, most: 10 }), []);
  for (const name of ["a", "b", "c"]) bus.subscribe("who", ({ respond }) => respond(name));
  assert.deepEqual(await bus.requestMany("who", "", { forMs: 60_000, most: 10 }), ["a", "b", "c"]);
  assert.deepEqual(await bus.requestMany("who", "", { forMs: 60_000, most: 2 }), ["a", "b"]);
  bus.subscribe("who", () => undefined);
  assert.deepEqual(await bus.requestMany("who", "", { forMs: 20, most: 10 }), ["a", "b", "c"]);
});

test("BUS-5: a listener that throws does not affect the others, and is counted", async () => {
  const bus = new LocalBus();
  const heard: string[] = [];
  bus.subscribe("a", () => {
    throw new Error("bug");
  });
  bus.subscribe("a", ({ text }) => heard.push(text));
  bus.publish("a", "1");
  await until(() => heard.length === 1, 1_000);
  assert.equal(bus.counts.listenerErrors, 1);
});

test("BUS-3: waiting messages are bounded; the rest is dropped and counted", () => {
  const bus = new LocalBus();
  const taken = Array.from({ length: 10_005 }, () => bus.publish("a", "")).filter(Boolean).length;
  assert.deepEqual([taken, bus.counts.dropped], [10_000, 5]);
});

test("BUS-4: after a stop nothing is received and nothing is sent; stopped twice as well", async () => {
  const bus = new LocalBus();
  let heard = 0;
  bus.subscribe("a", () => heard++);
  bus.publish("a", "under way");
  await bus.stop();
  await bus.stop();
  assert.equal(bus.publish("a", ""), false);
  bus.subscribe("a", () => heard++);
  await delivered();
  assert.deepEqual(await bus.request("a", "", 1_000), { ok: false, kind: "away" });
  assert.equal(heard, 0);
});

test("BUS-5: a listener whose promise is rejected does not affect the others, and is counted", async () => {
  const bus = new LocalBus();
  let heard = 0;
  bus.subscribe("a", async () => {
    throw new Error("bug");
  });
  bus.subscribe("a", () => void heard++);
  bus.publish("a", "");
  await until(() => heard === 1 && bus.counts.listenerErrors === 1, 1_000);
});
