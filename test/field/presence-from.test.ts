/**
 * Devices that know nothing of acktor are served when they are heard: by their uplinks, by mosquitto's log, by events of a broker.
 *
 * Quick: one publisher, a real broker, a few seconds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import mqtt from "mqtt";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { cleanUp } from "../support/cleanup.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { testOutbox } from "../support/outbox.ts";
import { Awake, parkFleet } from "../support/parked-fleet.ts";
import { testPublisher } from "../support/publisher.ts";

test("a device is served when it is heard", { timeout: TEST_LIMIT_MS }, async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true", "log_dest topic"] });
  if (broker === null) return;
  const outbox = await testOutbox(t, 18);
  await parkFleet(outbox, 10);
  const devices = await Awake.start(t, broker.url);
  await devices.says(1, "devices/1/up", "an uplink of yesterday", true);
  const publisher = await testPublisher(t, {
    ...{ DATABASE_URL: outbox.url, MQTT_URL: broker.url },
    ACKTOR_PRESENCE_FROM: "devices/{id}/up,mosquitto:dev-{id},sparkplug=devices/{id}/#",
  });
  await devices.says(2, "devices/2/up", "21.5");
  await devices.says(3, "spBv1.0/plant/DBIRTH/edge/3", "x");
  await devices.says(4, "devices/none", "x");
  const device = await mqtt.connectAsync(broker.url, { clientId: "dev-4" });
  cleanUp(t, () => device.endAsync(true));
  await devices.all(3, 5_000);
  assert.deepEqual([...devices.served].sort(), ["devices/2/cmd", "devices/3/cmd", "devices/4/cmd"]);
  for (let n = 0; n < 500; n++) await devices.says(2, "devices/2/up", String(n));
  const { text } = await publisher.ask("GET", "/metrics");
  const heard = (outcome: string): number =>
    Number(new RegExp(`acktor_devices_heard_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1]);
  assert.ok(heard("awake") >= 490 && heard("born") <= 6, text);
});
