/**
 * Lines with seconds of latency: deadlines follow the measured round trip, and acks come home.
 *
 * Quick: a scaled line of 300 ms against floors of 100 ms. The real ones, with both services and default settings, take
 * minutes: ACKTOR_TRIALS=slow-lines runs them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LineQuality } from "@acktor/chaos/proxy/lane";
import type { TcpProxy } from "@acktor/chaos/proxy/tcp-proxy";
import { AEDES, MOSQUITTO_5, TEST_LIMIT_MS } from "../support/brokers.ts";
import { startFakeBroker } from "../support/fake-broker.ts";
import { anyTopic, setStage } from "../support/pair.ts";
import type { Environment, Service } from "../support/processes.ts";
import { testTcpProxy } from "../support/proxies.ts";
import { testLink } from "../support/test-link.ts";
import { until } from "../support/until.ts";

const FLOORS = { publishDeadlineMs: 100, connectTimeoutMs: 1_000, keepaliveSeconds: 1 } as const;

test("a line of three deadlines: publishes are answered, and the connection stays", async (t) => {
  const broker = await startFakeBroker(t);
  const proxy = await testTcpProxy(t, broker.port);
  proxy.setLine({ delayMs: 150 });
  const { link, publish, reaches } = testLink(t, { url: `mqtt://127.0.0.1:${proxy.port}`, ...FLOORS });
  await link.connect();
  await reaches("CONNECTED");
  for (let n = 0; n < 3; n++) assert.equal((await publish()).kind, "acked");
  const { breaker, stats } = link.info();
  assert.deepEqual([breaker, stats.connectionAttempts, stats.disconnections], ["CLOSED", 1, 0]);
  assert.ok(link.pace().roundTripMs >= 290);
});

test("a line that becomes thirty times slower costs a few connections, and becomes fast again", async (t) => {
  const broker = await startFakeBroker(t);
  const proxy = await testTcpProxy(t, broker.port);
  proxy.setLine({ delayMs: 5 });
  const backoff = { baseMs: 20, capMs: 50, floorMs: 10 };
  const { link, publish, reaches } = testLink(t, { url: `mqtt://127.0.0.1:${proxy.port}`, ...FLOORS, backoff });
  await link.connect();
  await reaches("CONNECTED");
  // A busy machine may be later than a floor of 100 ms now and then.
  for (let n = 0; n < 20; n++) await publish();
  const before = link.info().stats.connectionAttempts;
  proxy.setLine({ delayMs: 150 });
  await until(async () => (await publish()).kind === "acked", 5_000, "an answer on the slow line");
  assert.ok(link.info().stats.connectionAttempts - before <= 4);
  proxy.setLine({});
  for (let n = 0; n < 60; n++) await publish();
  assert.ok(link.pace().deadlineMs < 600, `${link.pace().deadlineMs} ms`);
});

/** The settings of production, where the stage has shorter ones. */
const DEFAULTS: Environment = {
  ACKTOR_ACK_TIMEOUT_MIN: "2s",
  ACKTOR_RETRY_BASE: "1s",
  ACKTOR_RETRY_CAP: "60s",
  ACKTOR_BACKOFF_BASE: "500ms",
  ACKTOR_BACKOFF_CAP: "8s",
  ACKTOR_KEEPALIVE: "5s",
  ACKTOR_LEASE: "15s",
};
const MESSAGES = 40;

interface Trial {
  readonly name: string;
  readonly line: Partial<LineQuality>;
  /** Which lines are slow. */
  readonly slow: "both" | "acker" | "publisher";
  /** The line after the first half of the messages. */
  readonly later?: Partial<LineQuality>;
  readonly bytes?: number;
}

const TRIALS: readonly Trial[] = [
  { name: "0.25 s each way", line: { delayMs: 250 }, slow: "both" },
  { name: "1.1 s each way", line: { delayMs: 1_100 }, slow: "both" },
  { name: "2.4 s each way", line: { delayMs: 2_400 }, slow: "both" },
  { name: "2.4 s each way to the acker", line: { delayMs: 2_400 }, slow: "acker" },
  { name: "2.4 s each way to the publisher", line: { delayMs: 2_400 }, slow: "publisher" },
  { name: "1 s with a jitter of 1 s", line: { delayMs: 1_000, jitterMs: 1_000 }, slow: "both" },
  { name: "from 5 ms to 3 s", line: { delayMs: 5 }, slow: "both", later: { delayMs: 3_000 } },
  { name: "4 kB/s, 8 kB each", line: { delayMs: 100, bytesPerSecond: 4_000 }, slow: "both", bytes: 8_000 },
];

const wanted = (process.env["ACKTOR_TRIALS"] ?? "").split(",");
if (wanted.includes("slow-lines")) for (const trial of TRIALS) runTrial(trial);

function runTrial(trial: Trial): void {
  const { line, slow, later = line, bytes = 100 } = trial;
  test(`${trial.name}: ${MESSAGES} of ${MESSAGES}`, { timeout: 2 * TEST_LIMIT_MS }, async (t) => {
    const stage = await setStage(t, { broker: MOSQUITTO_5.missing === null ? MOSQUITTO_5 : AEDES, env: DEFAULTS });
    const before = await testTcpProxy(t, stage.broker.port);
    const behind = await testTcpProxy(t, stage.broker.port);
    const lines: TcpProxy[] = [slow === "acker" ? [] : before, slow === "publisher" ? [] : behind].flat();
    for (const proxy of lines) proxy.setLine(line);
    const acker = await stage.acker({ MQTT_URL: `mqtt://127.0.0.1:${behind.port}` });
    await until(() => statistic(acker, "successful_connections"), 60_000, "the acker's connection");
    const publisher = await stage.publisher({ MQTT_URL: `mqtt://127.0.0.1:${before.port}` });
    const topic = anyTopic();
    const startedAt = performance.now();
    const content = "x".repeat(bytes);
    const accepted: string[] = [];
    for (let n = 0; n < MESSAGES; n++) {
      if (n === MESSAGES / 2) for (const proxy of lines) proxy.setLine(later);
      accepted.push(await publisher.send({ topic, content }));
    }
    await stage.assertDelivered({ accepted }, 240_000);
    const [row] = await stage.sql(
      "select sum(attempts)::int4 publishes, max(attempts) most from publisher.message_delivery",
    );
    t.diagnostic(
      JSON.stringify({
        ...row,
        seconds: Math.round(performance.now() - startedAt) / 1_000,
        publisher: await statistic(publisher, "connection_attempts"),
        acker: await statistic(acker, "connection_attempts"),
        openings: await statistic(publisher, "breaker_openings"),
      }),
    );
  });
}

async function statistic(service: Service, name: string): Promise<number> {
  const status = (await (await fetch(`${service.url}/v1/status`)).json()) as { statistics?: Record<string, number> };
  return status.statistics?.[name] ?? -1;
}
