/** The doctor against faults that people meet: each is named, with the remedy of its cause. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { readAckerConfig } from "@acktor/acker/config";
import type { Check } from "@acktor/cli/doctor/check";
import { checkAcker } from "@acktor/cli/doctor/check-acker";
import { Counters, judgeAckers, judgeCounted, judgeElsewhere } from "@acktor/cli/doctor/check-acks";
import { checkBroker } from "@acktor/cli/doctor/check-broker";
import { checkCertificate } from "@acktor/cli/doctor/check-certificate";
import { checkDatabase } from "@acktor/cli/doctor/check-database";
import { Session } from "@acktor/cli/session";
import { StreamTerminal } from "@acktor/cli/terminal/terminal";
import { english } from "@acktor/cli/texts/english";
import { readPublisherConfig } from "@acktor/publisher/config";
import { SYSTEM_CLOCK } from "@acktor/shared/runtime/clock";
import { sql, testPool } from "../support/acker.ts";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { certificateAuthority } from "../support/certificates.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startFakeBroker } from "../support/fake-broker.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };
const NOWHERE = "postgres://127.0.0.1:1/x";
const { doctor: texts } = english;

function session(): Session {
  const silent = { write: () => undefined };
  const terminal = new StreamTerminal({ stdin: {}, stdout: silent, stderr: silent }, {}, false);
  const { signal } = new AbortController();
  const common = { texts: english, env: {}, json: false, address: {}, clock: SYSTEM_CLOCK };
  return new Session({ ...common, terminal, signal, process: { handOver: () => undefined } });
}

function publisherConfig(env: Record<string, string>) {
  const read = readPublisherConfig({ DATABASE_URL: NOWHERE, ...env });
  assert.ok(read.ok, JSON.stringify(read));
  return read.config;
}

/** The check `broker` of an address. */
async function broker(url: string): Promise<Check> {
  const config = publisherConfig({ MQTT_URL: url, ACKTOR_CONNECT_TIMEOUT: "200ms", ACKTOR_MQTT_VERSION: "3.1.1" });
  const [check] = (await checkBroker(session(), config, 0, false)).checks;
  assert.ok(check);
  return check;
}

async function serverThatSays(t: TestContext, text: string): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (text !== "") socket.write(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(t, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

test("a slow CONNACK, a silent server, another protocol and a closed port are four faults", options, async (t) => {
  const slow = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd !== "connect") return false;
    setTimeout(() => from.send({ cmd: "connack", returnCode: 0, sessionPresent: false }), 500);
    return true;
  });
  const found = await broker(slow.url);
  assert.deepEqual([found.verdict, found.fix.includes("ACKTOR_CONNECT_TIMEOUT=")], ["WARN", true], found.fix);
  assert.doesNotMatch(found.fix, /does not speak MQTT/);
  const silent = await broker(await serverThatSays(t, ""));
  assert.deepEqual([silent.verdict, silent.fix], ["FAIL", texts.brokerMuteFix]);
  const other = await broker(await serverThatSays(t, "SSH-2.0-OpenSSH_9.2\r\n"));
  assert.deepEqual([other.verdict, other.fix], ["FAIL", texts.brokerFixes.timeout]);
  const closed = await broker("mqtt://127.0.0.1:1");
  assert.deepEqual([closed.verdict, closed.fix], ["FAIL", texts.brokerFixes.network]);
  const named = await startFakeBroker(t, (packet, from) => {
    if (packet.cmd === "connect") from.send({ cmd: "connack", returnCode: 2, sessionPresent: false });
    return packet.cmd === "connect";
  });
  assert.equal((await broker(named.url)).fix, texts.clientIdFix);
});

test("a client certificate that expired, or soon will, is named with its day", options, async (t) => {
  const authority = await certificateAuthority(t);
  if (authority === null) return;
  const { cert } = await authority.issue("client", { days: 30 });
  const pem = readFileSync(cert, "utf8");
  const at = (days: number): Check | null => checkCertificate(english, pem, Date.now() + days * 86_400_000);
  assert.deepEqual(
    [0, 20, 31, -1].map((days) => at(days)?.verdict),
    ["OK", "WARN", "FAIL", "FAIL"],
  );
  assert.match(at(31)?.found ?? "", /expired on \d{4}-\d\d-\d\d/);
  assert.equal(at(31)?.fix, texts.clientCertificateFix);
  assert.equal(checkCertificate(english, null, 0), null);
});

test("messages without answers, acks under another prefix, an acker that is lost", options, async (t) => {
  const server = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (server === null) return;
  const database = await testDatabase(t);
  const env = { DATABASE_URL: database.url, MQTT_URL: server.url };
  const publisher = await testPublisher(t, { ...env, ACKTOR_MQTT_VERSION: "5" });
  const send = (i: number): Promise<string> => publisher.send({ topic: `data/${i}`, content: "x" });
  const ids = await Promise.all(Array.from({ length: 6 }, (_, i) => send(i)));
  const pool = testPool(t, database.url);
  const sent = "select count(*)::int4 n from publisher.message_delivery where attempts > 0";
  await until(async () => (await sql(pool, sent))[0]?.["n"] === 6, 10_000, "the messages to be sent");
  await sql(pool, "update publisher.message_delivery set sent_at = sent_at - interval '1 min'");
  const config = publisherConfig(env);
  const checks = new Map((await checkDatabase(session(), pool, config)).map((check) => [check.check, check]));
  assert.equal(checks.get("deliveries")?.verdict, "FAIL");
  assert.match(checks.get("deliveries")?.found ?? "", /0 are acknowledged, 6 .*data\/0/);
  assert.equal(checks.get("deliveries")?.fix, texts.unheardFix);

  const stranger = await startSpy(t, server.url, []);
  const lost = JSON.stringify({ instance: "line-3", status: "lost", filters: [], since: Date.now() / 1_000 });
  await stranger.publish("delivery/acker/line-3", lost, { retain: true });
  const timer = setInterval(() => void stranger.publish(`site7/delivery/ack/${ids[0]}`, "{}"), 50);
  const { heard } = await checkBroker(session(), config, 500, false);
  clearInterval(timer);
  assert.ok(heard);
  const elsewhere = judgeElsewhere(session(), heard, ids.slice(0, 1), "delivery/ack");
  assert.match(elsewhere?.found ?? "", /arrive under site7\/delivery\/ack/);
  assert.deepEqual([...heard.elsewhere.keys()], ids.slice(0, 1));
  const ackers = judgeAckers(session(), heard, new Counters(null), true);
  assert.deepEqual([ackers?.verdict, ackers?.data["lost"]], ["WARN", 1]);
});

test(
  "BROKER_LINK-1: what the broker forbids to an acker is named, and no session is taken over",
  options,
  async (t) => {
    const acl = "topic readwrite delivery/#\ntopic read data/#\ntopic readwrite acktor/#\n";
    const lines = ["allow_anonymous true", "acl_file <acl>"];
    const server = await startMosquitto(t, { lines, files: { acl } });
    if (server === null) return;
    const check = async (topics: string): Promise<Check> => {
      const read = readAckerConfig({ DATABASE_URL: NOWHERE, MQTT_URL: server.url, ACKTOR_TOPICS: topics });
      assert.ok(read.ok);
      return checkAcker(session(), read.config);
    };
    assert.equal((await check("data/#")).verdict, "OK");
    assert.doesNotMatch(server.log(), /acktor-acker|already connected/);
    // BROKER_LINK-2
    const plain = await startFakeBroker(t);
    const own = readAckerConfig({ DATABASE_URL: NOWHERE, MQTT_URL: plain.url, ACKTOR_TOPICS: "data/#" });
    assert.ok(own.ok);
    await checkAcker(session(), own.config);
    const { will } = (await plain.connection(0)).connect ?? {};
    assert.deepEqual([will?.qos, will?.retain], [1, false]);
    const denying = await startFakeBroker(t, (packet, from) => {
      if (packet.cmd !== "subscribe") return false;
      const granted = packet.subscriptions.map(({ topic }) => (topic.startsWith("secret/") ? 0x80 : 1));
      from.send({ cmd: "suback", messageId: packet.messageId ?? 0, granted });
      return true;
    });
    const env = { DATABASE_URL: NOWHERE, MQTT_URL: denying.url, ACKTOR_MQTT_VERSION: "3.1.1" };
    const read = readAckerConfig({ ...env, ACKTOR_TOPICS: "data/#,secret/#" });
    assert.ok(read.ok);
    const partly = await checkAcker(session(), read.config);
    assert.deepEqual([partly.verdict, partly.fix], ["WARN", texts.refusedFeatureFix]);
    assert.match(partly.found, /^secret\/#: /);
  },
);

test("what the services count becomes a remedy", () => {
  const judged = (status: Record<string, unknown>): string | undefined =>
    judgeCounted(session(), new Counters(status))?.fix;
  const cases: [status: Record<string, unknown>, fix: string][] = [
    [{ service: "publisher", acks: { unsigned: 2, malformed: 9 } }, texts.unsignedFix],
    [{ service: "publisher", acks: { topic_mismatch: 1 } }, texts.mismatchFix],
    [{ service: "publisher", acks: { retained: 20 } }, texts.retainedFix],
    [{ service: "acker", topics_changed: { unexplained: 1 } }, texts.topicMapFix],
    [{ service: "acker", acks: { refused: 1 } }, texts.ackRefusedFix],
    [{ service: "acker", acks: { sent: 1 } }, ""],
  ];
  for (const [status, fix] of cases) assert.equal(judged(status), fix, JSON.stringify(status));
  assert.equal(judgeCounted(session(), new Counters(null)), null);
});
