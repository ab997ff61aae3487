/**
 * Topics that bridges, mountpoints and brokers change on the way, and acks that brokers keep.
 *
 * Quick: real brokers, few messages.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { startSpy } from "../support/spy.ts";
import { until } from "../support/until.ts";

const options = { timeout: TEST_LIMIT_MS };

test("retained acks: not sent on MQTT 5; ignored, counted and named once on 3.1.1", options, async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return;
  const stranger = await startSpy(t, broker.url, []);
  const { url: databaseUrl } = await testDatabase(t);
  for (let i = 0; i < 20; i++) {
    await stranger.publish(`delivery/ack/01890a5d-ac96-774b-bcce-b302099a80${10 + i}`, "{}", { retain: true });
  }
  const seen: unknown[] = [];
  for (const version of ["5", "3.1.1"]) {
    const env = { DATABASE_URL: databaseUrl, MQTT_URL: broker.url, ACKTOR_MQTT_VERSION: version };
    const publisher = await testPublisher(t, { ...env, ACKTOR_INSTANCE: `publisher-${version}` });
    if (version === "3.1.1") await until(async () => (await publisher.acks())["retained"] === 20, 10_000, "the acks");
    const { received, retained } = await publisher.acks();
    seen.push([received, retained, publisher.log.filter((line) => line.includes("retained acks")).length]);
  }
  assert.deepEqual(seen, [
    [0, 0, 0],
    [20, 20, 1],
  ]);
});
