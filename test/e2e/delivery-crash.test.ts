/**
 * kill -9 in mid-traffic: of the publisher, of the acker, of PostgreSQL. Nothing is lost and nothing happens twice.
 *
 * Runs alone: it measures how long a refusal takes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AEDES, MOSQUITTO_5, TEST_LIMIT_MS, testWithBrokers } from "../support/brokers.ts";
import { type PublisherProcess, setStage } from "../support/pair.ts";
import { startCluster } from "../support/postgres.ts";
import { startTraffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const RATE = 150;
const KILLS = 2;
/** PostgreSQL away → 503 within 2 s, and a little for the way there and back on a busy machine. */
const REFUSED_WITHIN_MS = 2_000 + 200;

testWithBrokers("a publisher that is killed in mid-traffic", [AEDES, MOSQUITTO_5], async (t, broker) => {
  const stage = await setStage(t, { broker });
  let [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  for (let kill = 0; kill < KILLS; kill++) {
    await traffic.more(100);
    await publisher.kill();
    publisher = await stage.publisher({ HTTP_PORT: String(publisher.port) });
  }
  await traffic.more(100);
  const report = await traffic.stop();
  t.diagnostic(`${KILLS} kills, ${report.accepted.length} accepted, ${report.unknown} unknown and not repeated`);
  await stage.assertDelivered({ accepted: report.accepted });
  await assertKeysHeld(stage.sql);
});

testWithBrokers("an acker that is killed in mid-traffic", [AEDES, MOSQUITTO_5], async (t, broker) => {
  const stage = await setStage(t, { broker });
  let [publisher, acker] = await Promise.all([stage.publisher(), stage.acker({ ACKTOR_INSTANCE: "killed" })]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  for (let kill = 0; kill < KILLS; kill++) {
    await traffic.more(100);
    await acker.kill();
    await traffic.more(50);
    acker = await stage.acker({ ACKTOR_INSTANCE: "killed" });
  }
  await traffic.more(100);
  const report = await traffic.stop();
  assert.equal(report.refused + report.unknown, 0, "intake does not depend on ackers");
  await stage.assertDelivered({ accepted: report.accepted });
});

test("a PostgreSQL that is killed in mid-traffic", { timeout: TEST_LIMIT_MS }, async (t) => {
  const cluster = await startCluster(t);
  const stage = await setStage(t, { broker: AEDES, databaseUrl: cluster.url });
  const [publisher, acker] = await Promise.all([stage.publisher(), stage.acker()]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  await traffic.more(100);
  for (let kill = 0; kill < 2; kill++) {
    await cluster.kill();
    await assertRefusedInTime(publisher);
    await until(async () => !(await isReady(publisher.url)), 5_000, "the publisher not to be ready");
    await until(async () => !(await isReady(acker.url)), 5_000, "the acker not to be ready");
    await cluster.start();
    await Promise.all([publisher.ready(10_000), acker.ready(10_000)]);
    await traffic.more(100);
  }
  const report = await traffic.stop();
  t.diagnostic(
    `slowest answer ${report.slowestMs.toFixed(0)} ms; not accepted: ${JSON.stringify([...report.statuses])}`,
  );
  assert.ok(report.slowestMs <= REFUSED_WITHIN_MS, `an answer took ${report.slowestMs} ms`);
  assert.deepEqual(
    [...report.statuses.keys()].filter((status) => status !== 503),
    [],
  );
  await stage.assertDelivered({ accepted: report.accepted });
  await assertKeysHeld(stage.sql);
});

/** While the database is away: 503 with a reason and a Retry-After, in time. */
async function assertRefusedInTime(publisher: PublisherProcess): Promise<void> {
  const startedAt = performance.now();
  const { status, json, headers } = await publisher.request("/v1/messages", { topic: "e2e/away", content: "x" });
  const tookMs = performance.now() - startedAt;
  assert.equal(status, 503);
  assert.equal((json["error"] as { code?: string }).code, "database_unavailable");
  assert.ok(headers.get("retry-after") !== null, "Retry-After is missing");
  assert.ok(tookMs <= REFUSED_WITHIN_MS, `503 took ${tookMs} ms`);
}

/** No idempotency key made two rows: the traffic's bodies are all different. */
async function assertKeysHeld(sql: (text: string) => Promise<readonly object[]>): Promise<void> {
  const twice = "select payload from publisher.message_delivery group by payload having count(*) > 1";
  assert.deepEqual(await sql(twice), []);
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok;
}
