/**
 * No acker is connected, then one appears: waiting messages are sent immediately, not with their next retry.
 *
 * Runs alone: it measures how soon a redelivery comes.
 */
import assert from "node:assert/strict";
import { AEDES, MOSQUITTO_5, testWithBrokers } from "../support/brokers.ts";
import { anyTopic, setStage } from "../support/pair.ts";
import { testMqttProxy } from "../support/proxies.ts";
import { until } from "../support/until.ts";

const MESSAGES = 150;
const TOPICS = 5;
/** Retries alone would come a quarter of a minute later: what comes sooner came by the birth. */
const PATIENT = { ACKTOR_ACK_TIMEOUT_MIN: "1s", ACKTOR_RETRY_BASE: "60s", ACKTOR_RETRY_CAP: "60s" };

testWithBrokers(
  "an acker that appears gets what waited for it within 500 ms",
  [AEDES, MOSQUITTO_5],
  async (t, broker) => {
    const stage = await setStage(t, { broker, env: PATIENT });
    const proxy = await testMqttProxy(t, stage.broker.port);
    let bornAt: number | null = null;
    let firstAfterBirth: number | null = null;
    proxy.setRule(({ topic, payload, direction }) => {
      if (direction === "to_client" && topic.startsWith("delivery/acker/") && payload.includes("online")) {
        bornAt ??= performance.now();
      }
      if (direction === "to_server" && topic.startsWith("e2e/") && bornAt !== null)
        firstAfterBirth ??= performance.now();
      return "pass";
    });
    const publisher = await stage.publisher({ MQTT_URL: proxy.url });
    const topics = Array.from({ length: TOPICS }, anyTopic);
    const bodies = Array.from({ length: MESSAGES }, (_, n) => ({ topic: topics[n % TOPICS], content: `waits ${n}` }));
    const accepted = await Promise.all(bodies.map((body) => publisher.send(body)));
    const tried = async (): Promise<boolean> => {
      const [row] = await stage.sql<{ untried: number; live: number }>(`
      select count(*) filter (where attempts = 0 and not parked)::int4 untried, count(*)::int4 live
      from publisher.message_delivery where due_at is not null and lease_owner is null`);
      return row?.untried === 0 && row.live === MESSAGES;
    };
    await until(tried, 20_000, "every message to be tried without an ack, or set aside");

    await stage.acker();
    await until(() => firstAfterBirth, 5_000, "the first redelivery");
    const delay = Number(firstAfterBirth) - Number(bornAt);
    t.diagnostic(`first redelivery ${delay.toFixed(0)} ms after the birth message`);
    assert.ok(delay <= 500, `first redelivery ${delay} ms after the birth message`);
    await stage.assertDelivered({ accepted });
  },
);
