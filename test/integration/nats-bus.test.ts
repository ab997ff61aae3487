/** The bus over a real nats-server: messages arrive, and subscriptions return after any end of the connection. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { NatsBus } from "@acktor/shared/bus/nats-bus";
import { reconnectDelay } from "@acktor/shared/bus/nats-connector";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { cleanUp } from "../support/cleanup.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { anyPort } from "../support/ports.ts";
import { until } from "../support/until.ts";

function natsBus(t: TestContext, url: string, name = "one", inbox = "_INBOX") {
  const log = keptLogger();
  const bus = new NatsBus({
    url,
    name,
    inbox,
    service: { name: "acktor-publisher", version: "0.1.0", metadata: { instance: name } },
    logger: log.logger,
    clock: SYSTEM_CLOCK,
    random: { next: () => 0.5 },
  });
  cleanUp(t, () => bus.stop());
  const connects = (timeoutMs = 10_000) => until(() => bus.connected, timeoutMs, "NATS to be connected");
  return { bus, log, connects };
}

test("publish, queues, requests and gatherings, between two processes' worth of connections", async (t) => {
  const server = await startNatsServer(t);
  if (server === null) return;
  const one = natsBus(t, server.url);
  const two = natsBus(t, server.url, "two");
  await Promise.all([one.connects(), two.connects()]);
  const heard: string[] = [];
  two.bus.subscribe("a.*.c", ({ subject, text }) => heard.push(`${subject} ${text}`));
  const queued = { one: 0, two: 0 };
  one.bus.subscribe("work", () => queued.one++, { queue: "q" });
  two.bus.subscribe("work", () => queued.two++, { queue: "q" });
  for (const [name, { bus }] of Object.entries({ one, two })) bus.subscribe("who", ({ respond }) => respond(name));
  await until(async () => (await two.bus.requestMany("who", "", { forMs: 500, most: 2 })).length === 2, 5_000);
  one.bus.publish("a.b.c", "1 ü");
  for (let i = 0; i < 50; i++) one.bus.publish("work", "");
  await until(() => heard.length === 1 && queued.one + queued.two === 50, 5_000);
  assert.deepEqual(heard, ["a.b.c 1 ü"]);
  const reply = await one.bus.request("who", "", 2_000);
  assert.ok(reply.ok && ["one", "two"].includes(reply.text));
  assert.deepEqual(await one.bus.request("nobody", "", 2_000), { ok: false, kind: "no_responder" });
  assert.deepEqual(await one.bus.requestMany("nobody", "", { forMs: 60_000, most: 9 }), []);
  assert.deepEqual(await one.bus.request("who", "x".repeat(2_000_000), 2_000), { ok: false, kind: "refused" });
  two.bus.subscribe("throws", () => {
    throw new Error("bug");
  });
  // Until the server has the subscription, there is no responder.
  await until(async () => {
    const asked = await one.bus.request("throws", "", 50);
    return !asked.ok && asked.kind === "deadline";
  }, 5_000);
  assert.ok(two.bus.counts.listenerErrors > 0);
});

test("BUS-5, BUS-6, NATS-6: a rejected promise is caught; a message that is too large is not passed on; replies arrive in its own inbox", async (t) => {
  const server = await startNatsServer(t);
  if (server === null) return;
  const one = natsBus(t, server.url);
  const two = natsBus(t, server.url, "two", "_INBOX_two");
  await Promise.all([one.connects(), two.connects()]);
  const inboxes: string[] = [];
  one.bus.subscribe("_INBOX_two.>", ({ subject }) => void inboxes.push(subject));
  const heard: number[] = [];
  one.bus.subscribe("short", ({ text, respond }) => respond(String(heard.push(text.length))), { mostBytes: 100 });
  one.bus.subscribe("rejects", async () => {
    throw new RangeError("bug");
  });
  await until(async () => (await two.bus.request("short", "x".repeat(100), 1_000)).ok, 5_000);
  assert.deepEqual(await two.bus.request("short", "x".repeat(101), 100), { ok: false, kind: "deadline" });
  assert.equal(one.bus.counts.refused, 1);
  await until(() => inboxes.length > 0, 5_000, "the reply to be seen in the inbox of two");
  two.bus.publish("rejects", "");
  await until(() => one.bus.counts.listenerErrors === 1, 5_000);
  assert.ok(one.log.lines.some((line) => line.includes("a listener failed")));
  assert.ok(new Set(heard).size === 1 && heard[0] === 100);
});

// NATS-1, NATS-2
test("a server that is killed and comes back finds every subscription again", async (t) => {
  const server = await startNatsServer(t);
  if (server === null) return;
  const one = natsBus(t, server.url);
  const two = natsBus(t, server.url, "two");
  await Promise.all([one.connects(), two.connects()]);
  const said: boolean[] = [];
  one.bus.onStatus((connected) => said.push(connected));
  two.bus.subscribe("echo", ({ text, respond }) => respond(text));
  const off = two.bus.subscribe("ended", ({ respond }) => respond("no"));
  await server.kill();
  await until(() => !one.bus.connected && !two.bus.connected, 5_000);
  assert.equal(one.bus.publish("echo", "lost"), false);
  assert.deepEqual(await one.bus.request("echo", "", 1_000), { ok: false, kind: "away" });
  assert.ok(one.bus.counts.dropped > 0);
  off();
  await server.start();
  await Promise.all([one.connects(), two.connects()]);
  // Two connections: a request of one may reach the server before the subscription of the other.
  await until(async () => (await one.bus.request("echo", "back", 2_000)).ok, 5_000);
  assert.deepEqual(await one.bus.request("ended", "", 2_000), { ok: false, kind: "no_responder" });
  assert.deepEqual(said, [false, true]);
});

// NATS-1, NATS-3
test("without a server at the start it retries, and works once there is one", async (t) => {
  const port = await anyPort();
  const early = natsBus(t, `nats://127.0.0.1:${port}`);
  await until(() => early.log.messages().some((line) => line.includes("unreachable")), 5_000);
  assert.equal(early.bus.connected, false);
  await early.bus.stop();
  const server = await startNatsServer(t);
  if (server === null) return;
  await server.kill();
  const { bus, connects } = natsBus(t, server.url);
  bus.subscribe("echo", ({ text, respond }) => respond(text));
  await server.start();
  await connects();
  assert.deepEqual(await bus.request("echo", "1", 2_000), { ok: true, text: "1" });
});

// NATS-1, NATS-5
test("a login that is refused more than twice is retried until it is right", async (t) => {
  const server = await startNatsServer(t, { args: ["--auth", "right"], credentials: "right" });
  if (server === null) return;
  const good = natsBus(t, server.url);
  await good.connects();
  await server.kill();
  await server.start(["--auth", "another"]);
  await until(() => !good.bus.connected, 5_000);
  await until(() => server.log().split("authentication error").length > 4, 10_000, "a fourth refusal");
  assert.equal(good.log.messages().filter((line) => line.includes("unreachable")).length, 1);
  await server.kill();
  await server.start();
  await good.connects(15_000);
  assert.ok(!good.log.lines.join().includes("right"));
});

test("user and password come from the URL", async (t) => {
  const server = await startNatsServer(t, { args: ["--user", "me", "--pass", "s3/cret"], credentials: "me:s3%2Fcret" });
  if (server === null) return;
  const { connects } = natsBus(t, server.url);
  await connects();
});

test("the services API lists us: PING, INFO and STATS answer", async (t) => {
  const server = await startNatsServer(t);
  if (server === null) return;
  const one = natsBus(t, server.url);
  const asker = natsBus(t, server.url, "asker");
  await Promise.all([one.connects(), asker.connects()]);
  for (const verb of ["PING", "INFO", "STATS"]) {
    const answers = await until(async () => {
      const texts = await asker.bus.requestMany(`$SRV.${verb}.acktor-publisher`, "", { forMs: 1_000, most: 2 });
      return texts.length === 2 ? texts.map((text) => JSON.parse(text) as Record<string, unknown>) : null;
    }, 5_000);
    for (const answer of answers) {
      assert.deepEqual([answer["name"], answer["version"]], ["acktor-publisher", "0.1.0"]);
      assert.ok(String(answer["type"]).includes(verb.toLowerCase()));
    }
  }
});

// BUS-2, BUS-4
test("stopped twice, early, and while no server answers, it ends immediately", async (t) => {
  const early = natsBus(t, "nats://127.0.0.1:9");
  const startedAt = performance.now();
  await Promise.all([early.bus.stop(), early.bus.stop()]);
  assert.ok(performance.now() - startedAt < 5_000);
  assert.equal(early.bus.publish("a", ""), false);
  const server = await startNatsServer(t);
  if (server === null) return;
  const { bus, connects } = natsBus(t, server.url);
  await connects();
  await bus.stop();
  await bus.stop();
  assert.equal(bus.connected, false);
});

// NATS-1
test("pauses between attempts double up to five seconds, half of each random", () => {
  assert.deepEqual(
    [0, 1, 2, 20].map((n) => reconnectDelay(n, 0)),
    [50, 100, 200, 2_500],
  );
  assert.equal(reconnectDelay(20, 1), 5_000);
});
