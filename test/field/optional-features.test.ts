/**
 * Presence, will, retain and single filters are optional: a broker that refuses one of them stops nothing else.
 *
 * Quick: fake brokers and one mosquitto, 4 s.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Subscription } from "@acktor/shared/mqtt/messages";
import type { Packet } from "mqtt-packet";
import { type Rows, testAcker } from "../support/acker.ts";
import { type FakeConnection, type Script, startFakeBroker } from "../support/fake-broker.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

const WILL = { topic: "delivery/acker/a", payload: "lost", qos: 1, retain: true } as const;
const OPTIONAL: Subscription = { filter: "delivery/acker/+", qos: 1, need: "optional" };
const NEEDED: Subscription = { filter: "delivery/ack/+", qos: 1 };

/** Answers each filter of a SUBSCRIBE by a code; null: no answer. */
function subackOf(code: (filter: string) => number | null): Script {
  return (packet, from) => {
    if (packet.cmd !== "subscribe") return false;
    const granted = packet.subscriptions.map(({ topic }) => code(topic));
    if (!granted.includes(null)) {
      from.send({ cmd: "suback", messageId: packet.messageId ?? 0, granted: granted as number[] });
    }
    return true;
  };
}

const filtersOf = (from: FakeConnection | undefined): string[][] =>
  (from?.packets ?? []).flatMap((packet: Packet) =>
    packet.cmd === "subscribe" ? [packet.subscriptions.map(({ topic }) => topic)] : [],
  );

for (const code of [0x80, 0x87, 0x8f, 0x9e, 0xa1, 0xa2, null]) {
  // SUBSCRIBER-2
  const how = code === null ? "not answered" : `refused with 0x${code.toString(16)}`;
  test(`an optional filter is ${how}: CONNECTED, and the link names it`, async (t) => {
    const broker = await startFakeBroker(
      t,
      subackOf((filter) => (filter === OPTIONAL.filter ? code : 1)),
    );
    const { link, facts } = testLink(t, { url: broker.url, connectTimeoutMs: code === null ? 1_500 : 10_000 });
    link.subscribe(OPTIONAL);
    link.subscribe(NEEDED);
    await link.connect({ waitMs: 5_000 });
    const [refusal] = await until(() => (link.info().refused.length > 0 ? link.info().refused : null), 5_000, "it");
    assert.deepEqual([refusal?.filter, refusal?.code], [OPTIONAL.filter, code]);
    assert.equal(link.info().state, "CONNECTED");
    assert.deepEqual(facts("link.error"), []);
    // SUBSCRIBER-1
    assert.deepEqual(filtersOf(broker.connections[0]), [[NEEDED.filter], [OPTIONAL.filter]]);
  });
}

// WANTED-1
test("a broker that closes at an optional filter: left out after two connections, tried again after a reset", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    const isIt = packet.cmd === "subscribe" && packet.subscriptions.some(({ topic }) => topic === OPTIONAL.filter);
    if (isIt) from.end();
    return isIt;
  });
  const { link, reaches } = testLink(t, { url: broker.url, version: "3.1.1" });
  link.subscribe(OPTIONAL);
  link.subscribe(NEEDED);
  await link.connect();
  const third = await broker.connection(2);
  await third.received("subscribe");
  await reaches("CONNECTED");
  assert.deepEqual(filtersOf(third), [[NEEDED.filter]]);
  assert.match(link.info().refused[0]?.reason ?? "", /closes the connection/);
  await link.disconnect();
  await link.connect();
  await (await broker.connection(3)).received("subscribe", 2);
});

test("one of the data filters is refused: the others work; all refused: ERROR", async (t) => {
  let refused = ["a"];
  const broker = await startFakeBroker(
    t,
    subackOf((filter) => (refused.includes(filter) ? 0x87 : 1)),
  );
  const { link, reaches } = testLink(t, { url: broker.url, errorWaitMs: [50, 50] });
  for (const filter of ["a", "b"]) link.subscribe({ filter, qos: 1, need: "one_of" });
  await link.connect({ waitMs: 5_000 });
  assert.deepEqual(
    link.info().refused.map(({ filter, need }) => [filter, need]),
    [["a", "one_of"]],
  );
  refused = ["a", "b"];
  broker.connections[0]?.reset();
  await reaches("ERROR");
  assert.equal(link.info().lastError?.code, 0x87);
});

// RECEIVER-3
test("a broker that refuses the group's filter: the acker takes the plain one", async (t) => {
  const broker = await startFakeBroker(
    t,
    subackOf((filter) => (filter.startsWith("$share/") ? 0x9e : 1)),
  );
  const { url } = await testDatabase(t);
  await testAcker(t, { DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_GROUP: "g" });
  await until(() => filtersOf(broker.connections[0]).length === 2, 5_000, "both filters");
  assert.deepEqual(filtersOf(broker.connections[0]), [["$share/g/data/#"], ["data/#"]]);
});

test("a SUBSCRIBE has at most 8 filters, as AWS IoT requires", async (t) => {
  const broker = await startFakeBroker(t);
  const { link } = testLink(t, { url: broker.url });
  for (let i = 0; i < 20; i++) link.subscribe({ filter: `f/${i}`, qos: 1, need: "one_of" });
  await link.connect({ waitMs: 5_000 });
  assert.deepEqual(
    filtersOf(broker.connections[0]).map((list) => list.length),
    [8, 8, 4],
  );
});

const connackOf = (accepts: (will: { qos?: number; retain?: boolean } | undefined) => number | null): Script => {
  return (packet, from) => {
    if (packet.cmd !== "connect") return false;
    const code = accepts(packet.will);
    if (code === 0) return false;
    if (code === null) from.end();
    else from.send({ cmd: "connack", reasonCode: code, returnCode: code, sessionPresent: false });
    return true;
  };
};

for (const [what, accepts, last] of [
  ["0x9A for a retained one", (will: { retain?: boolean } | undefined) => (will?.retain ? 0x9a : 0), "plain"],
  ["0x9B for any", (will: object | undefined) => (will === undefined ? 0 : 0x9b), "none"],
] as const) {
  test(`the will: ${what}`, async (t) => {
    const broker = await startFakeBroker(t, connackOf(accepts));
    const { link, facts } = await connectedLink(t, { url: broker.url, will: WILL });
    const will = broker.connections.at(-1)?.connect?.will;
    assert.equal(will === undefined ? "none" : "plain", last);
    if (will !== undefined) assert.deepEqual([will.qos, will.retain], [0, false]);
    assert.deepEqual(
      facts("link.refused").map(({ feature }) => feature),
      ["will"],
    );
    assert.equal(link.info().breaker, "CLOSED");
    // It is remembered.
    const before = broker.connections.length;
    broker.connections.at(-1)?.reset();
    await broker.connection(before);
    await until(() => link.info().state === "CONNECTED", 5_000, "CONNECTED");
    assert.equal(broker.connections.length, before + 1);
  });
}

test("a broker of 3.1.1 that closes at a will: alternately with it and without, and then without", async (t) => {
  const broker = await startFakeBroker(
    t,
    connackOf((will) => (will === undefined ? 0 : null)),
  );
  const { link } = await connectedLink(t, { url: broker.url, will: WILL, version: "3.1.1" });
  const wills = () => broker.connections.map(({ connect }) => connect?.will !== undefined);
  assert.deepEqual(wills(), [true, false]);
  for (const count of [4, 5]) {
    broker.connections.at(-1)?.reset();
    await until(() => broker.connections.length === count, 5_000, "another connection");
    await until(() => link.info().state === "CONNECTED", 5_000, "CONNECTED");
  }
  assert.deepEqual(wills(), [true, false, true, false, false]);
});

for (const version of ["5", "3.1.1"]) {
  test(`mosquitto without retained messages, ${version}: both services work, with one warning`, async (t) => {
    const mosquitto = await startMosquitto(t, { lines: ["allow_anonymous true", "retain_available false"] });
    if (mosquitto === null) return;
    const { url } = await testDatabase(t);
    const env = {
      DATABASE_URL: url,
      MQTT_URL: mosquitto.url,
      ACKTOR_MQTT_VERSION: version,
      ACKTOR_BACKOFF_BASE: "50ms",
    };
    const publisher = await testPublisher(t, env);
    const acker = await testAcker(t, env);
    // ANNOUNCER-1
    const ackers = async () => (await publisher.ask("GET", "/v1/status")).json["ackers_total"];
    await until(async () => (await ackers()) === 1, 10_000, "the birth");
    const id = await publisher.send({ topic: "data/a", content: "x" });
    await until(async () => (await publisher.state(id)) === "acknowledged", 10_000, "the ack");
    const warnings = acker.log.filter(({ level, actor }) => level === "warn" && actor === "link");
    assert.equal(warnings.filter(({ feature }) => feature === "will").length, 1, JSON.stringify(warnings));
  });
}

test("an acker: one filter refused, degraded and named; the birth refused, once; presence off, none", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "publish") return subackOf((filter) => (filter === "secret/#" ? 0x87 : 1))(packet, from);
    from.send({ cmd: "puback", messageId: packet.messageId ?? 0, reasonCode: 0x87 });
    return true;
  });
  const { url } = await testDatabase(t);
  const env = { DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_TOPICS: "data/#,secret/#" };
  const { running, log } = await testAcker(t, env);
  const readiness = (await (await fetch(`${running.url}/readyz`)).json()) as { status: string; checks: Rows };
  assert.equal(readiness.status, "degraded");
  assert.equal(readiness.checks["subscriptions"], "refused by the broker: secret/# (not authorized)");
  // ANNOUNCER-3
  assert.equal(log.filter(({ msg }) => /announcement/.test(String(msg))).length, 1);
  assert.equal((await broker.connections[0]?.received("publish"))?.length, 1);
  await running.stop();
  const silent = await testAcker(t, { ...env, ACKTOR_PRESENCE: "off" });
  await silent.running.stop();
  const last = broker.connections.at(-1);
  assert.equal(last?.connect?.will, undefined);
  assert.ok(!last?.packets.some(({ cmd }) => cmd === "publish"));
});

// ANNOUNCER-2
test("an acker whose broker closes at its birth stays connected without it", async (t) => {
  const broker = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "publish") return false;
    from.end();
    return true;
  });
  const { url } = await testDatabase(t);
  await testAcker(t, { DATABASE_URL: url, MQTT_URL: broker.url, ACKTOR_BACKOFF_BASE: "20ms" }, { wait: false });
  const fifth = await broker.connection(4);
  await fifth.received("subscribe");
  await fifth.received("pingreq");
  assert.equal(fifth.isClosed, false);
  assert.equal(broker.connections.length, 5);
});
