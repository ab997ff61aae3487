/**
 * SIGTERM under load: every accepted request is answered, nothing stays leased, and the process ends in time.
 *
 * Runs alone: it measures how long a stop takes.
 */
import assert from "node:assert/strict";
import { AEDES, testWithBrokers } from "../support/brokers.ts";
import { setStage } from "../support/pair.ts";
import { isAlive, type Service } from "../support/processes.ts";
import { startTraffic } from "../support/traffic.ts";

const RATE = 300;
const STOPPED_WITHIN_MS = 5_000;

testWithBrokers("a publisher that is stopped under load", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker()]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher], keys: false });
  await traffic.more(300);
  await assertStops(t, publisher);
  const report = await traffic.stop();
  const rows = await stage.sql<{ message_id: string; lease_owner: string | null }>(
    "select message_id, lease_owner from publisher.message_delivery",
  );
  assert.deepEqual(
    rows.filter((row) => row.lease_owner !== null),
    [],
    "rows left leased",
  );
  const answered = new Set(report.accepted);
  assert.deepEqual(
    rows.filter((row) => !answered.has(row.message_id)),
    [],
    "rows whose caller was never told",
  );
  await stage.publisher();
  await stage.assertDelivered({ accepted: report.accepted });
});

testWithBrokers("a publisher with a backlog and no acker", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher], keys: false });
  await traffic.more(400);
  await assertStops(t, publisher);
  const { accepted } = await traffic.stop();
  assert.deepEqual(await stage.sql("select from publisher.message_delivery where lease_owner is not null"), []);
  await stage.publisher();
  await stage.acker();
  await stage.assertDelivered({ accepted });
});

testWithBrokers("a publisher whose broker is away", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher], keys: false });
  await traffic.more(100);
  await stage.broker.kill();
  await traffic.more(100);
  await assertStops(t, publisher);
  await traffic.stop();
  assert.deepEqual(await stage.sql("select from publisher.message_delivery where lease_owner is not null"), []);
});

testWithBrokers("an acker that is stopped under load", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [publisher, first] = await Promise.all([stage.publisher(), stage.acker({ ACKTOR_INSTANCE: "first" })]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  await traffic.more(300);
  await assertStops(t, first);
  await traffic.more(100);
  await stage.acker({ ACKTOR_INSTANCE: "second" });
  const { accepted } = await traffic.stop();
  await stage.assertDelivered({ accepted });
});

async function assertStops(t: { diagnostic(text: string): void }, service: Service): Promise<void> {
  assert.ok(await isAlive(service.pid), `it had ended before:\n${service.output()}`);
  const startedAt = performance.now();
  service.signal("SIGTERM");
  const exit = await service.exited;
  const tookMs = performance.now() - startedAt;
  t.diagnostic(`exit ${exit.code} ${tookMs.toFixed(0)} ms after SIGTERM`);
  assert.deepEqual(exit, { code: 0, signal: null }, service.output());
  assert.ok(tookMs <= STOPPED_WITHIN_MS, `took ${tookMs} ms`);
}
