/** The link on real brokers: aedes everywhere, mosquitto with MQTT 5 and 3.1.1 where it is installed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncomingMessage, PublishOutcome } from "@acktor/shared/link/link";
import type { LinkOptions } from "@acktor/shared/link/link-options";
import { ALL_BROKERS, type BrokerCase, testWithBrokers } from "../support/brokers.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { connectedLink, testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

const VERSIONS: Readonly<Record<string, LinkOptions["version"]>> = { "5": "5", "3.1.1": "3.1.1" };

/** The link's options for a case: the version as configured there, `auto` elsewhere. */
const optionsFor = (broker: BrokerCase, url: string): LinkOptions => ({
  url,
  version: VERSIONS[broker.env["ACKTOR_MQTT_VERSION"] ?? ""] ?? "auto",
});

testWithBrokers(
  "messages of each QoS arrive whole, and each publish has its outcome",
  ALL_BROKERS,
  async (t, broker) => {
    const { url } = await broker.start(t);
    const { link, facts, publish } = await connectedLink(t, optionsFor(broker, url));
    assert.equal(link.info().protocolVersion, broker.label.includes("MQTT 5") ? 5 : 4);
    assert.deepEqual(facts("link.error"), []);
    link.subscribe({ filter: "m/#", qos: 2 });
    const large = Buffer.alloc(300_000, 7);
    for (const qos of [0, 1, 2] as const) {
      const arrived = until(() => facts("link.message").find(({ topic }) => topic === `m/${qos}`), 5_000, `QoS ${qos}`);
      assert.deepEqual(await publish({ topic: `m/${qos}`, payload: large, qos }), { kind: "acked", reasonCode: 0 });
      assert.deepEqual((await arrived).payload, large);
    }
    const text = "ü € 𝄞 \u0000";
    assert.equal((await publish({ topic: "m/text", payload: text })).kind, "acked");
    const message = await until(() => facts("link.message").find(({ topic }) => topic === "m/text"), 5_000, "text");
    assert.equal(message.payload.toString(), text);
    assert.equal(link.info().inFlight, 0);
  },
);

testWithBrokers(
  "a burst of 5,000 through a window of 100: all acked, all arrived, none twice",
  ALL_BROKERS,
  async (t, broker) => {
    const { url } = await broker.start(t);
    const options = optionsFor(broker, url);
    const receiver = await connectedLink(t, options);
    const seen = new Set<string>();
    receiver.link.on("link.message", ({ payload }) => seen.add(payload.toString()));
    receiver.link.subscribe({ filter: "burst", qos: 1 });
    await receiver.publish();
    const { link } = await connectedLink(t, { ...options, sendQuota: 100 });
    const outcomes: PublishOutcome[] = [];
    let sent = 0;
    const pump = (): void => {
      for (; sent < 5_000 && link.capacity() > 0; sent++) {
        const message = { topic: "burst", payload: String(sent), qos: 1, retain: false } as const;
        link.publish(message, (outcome) => outcomes.push(outcome));
      }
      assert.ok(link.info().inFlight <= 100);
    };
    link.on("link.writable", pump);
    pump();
    await until(() => outcomes.length === 5_000 && seen.size === 5_000, 20_000, "5,000 outcomes and messages");
    assert.ok(outcomes.every(({ kind }) => kind === "acked"));
    assert.equal(receiver.link.info().stats.messagesReceived, 5_000);
  },
);

testWithBrokers(
  "a broker killed under load: one outcome each, CONNECTED again, subscriptions too",
  ALL_BROKERS,
  async (t, broker) => {
    const running = await broker.start(t);
    const { link, facts, reaches, publish } = await connectedLink(t, optionsFor(broker, running.url));
    link.subscribe({ filter: "k", qos: 1 });
    const outcomes = new Map<number, number>();
    let sent = 0;
    let going = true;
    const pump = (): void => {
      for (; going && link.capacity() > 0 && link.info().inFlight < 100; sent++) {
        const n = sent;
        link.publish({ topic: "k", payload: "x", qos: 1, retain: false }, (outcome) => {
          outcomes.set(n, (outcomes.get(n) ?? 0) + 1);
          if (outcome.kind === "acked") pump();
        });
      }
    };
    pump();
    await until(() => outcomes.size > 200, 10_000, "traffic");
    await running.kill();
    await reaches("RECONNECTING");
    going = false;
    assert.equal(outcomes.size, sent);
    assert.ok([...outcomes.values()].every((count) => count === 1));
    await running.start();
    await until(() => facts("link.reconnected").length === 1, 15_000, "link.reconnected");
    await until(() => link.info().breaker === "CLOSED", 5_000, "CLOSED");
    const before = link.info().stats.messagesReceived;
    assert.equal((await publish({ topic: "k" })).kind, "acked");
    await until(() => link.info().stats.messagesReceived > before, 5_000, "the message");
  },
);

testWithBrokers(
  "the will is said when the connection breaks, and not after a goodbye",
  ALL_BROKERS,
  async (t, broker) => {
    const { url } = await broker.start(t);
    const options = optionsFor(broker, url);
    const watcher = await connectedLink(t, options);
    watcher.link.subscribe({ filter: "will/#", qos: 1 });
    await watcher.publish();
    const will = (name: string) => ({ topic: `will/${name}`, payload: "gone", qos: 1, retain: false }) as const;
    const polite = await connectedLink(t, { ...options, will: will("polite") });
    const clientId = "the-same-id";
    const first = await connectedLink(t, { ...options, clientId, will: () => will("taken-over") });
    await polite.link.stop();
    // The second client of an id ends the first one without a goodbye.
    await connectedLink(t, { ...options, clientId });
    const said = await until(() => watcher.facts("link.message")[0], 5_000, "the will");
    assert.equal(said.topic, "will/taken-over");
    await first.link.stop();
    await watcher.publish();
    assert.deepEqual(
      watcher.facts("link.message").map(({ topic }: IncomingMessage) => topic),
      ["will/taken-over"],
    );
  },
);

// LINK-4
test("mosquitto refuses a wrong password: ERROR, and neither user nor password in anything that is said", async (t) => {
  // No user has a password there, so every password is wrong.
  const lines = ["allow_anonymous false", "password_file <passwords>"];
  const broker = await startMosquitto(t, { lines, files: { passwords: "" } });
  if (broker === null) return;
  for (const version of ["5", "3.1.1"] as const) {
    const url = broker.url.replace("mqtt://", "mqtt://alice:wr%40ng-secret@");
    const { link, reaches, heard } = testLink(t, { url, version });
    await link.connect();
    await reaches("ERROR");
    assert.equal(link.info().lastError?.type, "authentication");
    const said = JSON.stringify([heard, link.info()]);
    for (const secret of ["alice", "wr@ng-secret", "wr%40ng"]) assert.ok(!said.includes(secret), secret);
  }
});

test("mosquitto's access list: refused by 0x87 on MQTT 5, acked as if all were well on 3.1.1", async (t) => {
  const files = { acl: "topic readwrite ok/#\n" };
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true", "acl_file <acl>"], files });
  if (broker === null) return;
  const five = await connectedLink(t, { url: broker.url, version: "5" });
  assert.deepEqual(await five.publish({ topic: "secret" }), { kind: "refused", reasonCode: 0x87 });
  assert.deepEqual(await five.publish({ topic: "ok/a" }), { kind: "acked", reasonCode: 0x10 });
  const older = await connectedLink(t, { url: broker.url, version: "3.1.1" });
  assert.deepEqual(await older.publish({ topic: "secret" }), { kind: "acked", reasonCode: 0 });
});

test("mosquitto 2.0 takes a client id over without a word: two of them fight ever more slowly", async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return;
  const options: LinkOptions = {
    url: broker.url,
    clientId: "twin",
    backoff: { baseMs: 20, capMs: 2_000, floorMs: 10 },
  };
  const twins = [await connectedLink(t, options), await connectedLink(t, options)];
  const steps = () => Math.max(...twins.map(({ link }) => link.info().retryCount));
  await until(() => steps() >= 5, 20_000, "the fifth step of the backoff");
  const attempts = twins.map(({ link }) => link.info().stats.connectionAttempts);
  assert.ok(Math.max(...attempts) <= steps() + 1, "no connection of theirs held, so no step was forgotten");
});

test("a mosquitto stopped by SIGSTOP is dead after the silence, and found again when it continues", async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return;
  const { publish, reaches } = await connectedLink(t, { url: broker.url, publishDeadlineMs: 500 });
  process.kill(broker.pid, "SIGSTOP");
  const cause = { kind: "deadline", of: "silence", afterMs: 500 };
  assert.deepEqual(await publish(), { kind: "lost", why: "disconnected", cause });
  await reaches("RECONNECTING");
  process.kill(broker.pid, "SIGCONT");
  await reaches("CONNECTED");
});
