/** Two publishers on one outbox, two ackers on one inbox: no leader, and one of them may die. */
import assert from "node:assert/strict";
import { AEDES, MOSQUITTO_5, testWithBrokers } from "../support/brokers.ts";
import { setStage } from "../support/pair.ts";
import { startTraffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const RATE = 150;
/** The rows of a killed publisher are free by then. */
const LEASES_FREE_MS = 15_000;

testWithBrokers("two publishers on one outbox, one of them killed", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [one, two] = [
    await stage.publisher({ ACKTOR_INSTANCE: "one" }),
    await stage.publisher({ ACKTOR_INSTANCE: "two" }),
  ];
  await stage.acker();
  let publishers = [one, two];
  const traffic = startTraffic({ rate: RATE, publishers: () => publishers });
  await traffic.more(300);
  publishers = [two];
  await one.kill();
  await traffic.more(150);
  const report = await traffic.stop();
  const killedAt = performance.now();
  await stage.assertDelivered({ accepted: report.accepted }, LEASES_FREE_MS);
  t.diagnostic(`all settled ${(performance.now() - killedAt).toFixed(0)} ms after the last message`);
  const [row] = await stage.sql<{ leased: number }>(
    "select count(*)::int4 leased from publisher.message_delivery where lease_owner is not null",
  );
  assert.equal(row?.leased, 0, "a lease outlived its row");
});

testWithBrokers("two ackers on one inbox, each with every message", [AEDES], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker({ ACKTOR_INSTANCE: "one" })]);
  await stage.acker({ ACKTOR_INSTANCE: "two" });
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  await traffic.more(300);
  const { accepted } = await traffic.stop();
  await stage.assertDelivered({ accepted });
  const twice = async () => (await stage.sql("select from acker.inbox where deliveries >= 2")).length;
  await until(async () => (await twice()) >= accepted.length, 5_000, "each message to be delivered to both");
  const clients = await stage.sql("select distinct client_id from publisher.delivery_acknowledgment");
  assert.equal(clients.length, 2, "both have answered, and both answers are on record");
});

testWithBrokers("two ackers share a group, one of them killed", [MOSQUITTO_5], async (t, broker) => {
  const stage = await setStage(t, { broker });
  const publisher = await stage.publisher();
  const group = { ACKTOR_GROUP: "ackers" };
  const one = await stage.acker({ ...group, ACKTOR_INSTANCE: "one" });
  await stage.acker({ ...group, ACKTOR_INSTANCE: "two" });
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  await traffic.more(300);
  const clients = await stage.sql("select distinct client_id from publisher.delivery_acknowledgment");
  assert.equal(clients.length, 2, "both have taken a share");
  await one.kill();
  await traffic.more(150);
  const { accepted } = await traffic.stop();
  await stage.assertDelivered({ accepted });
});
