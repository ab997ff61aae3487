/**
 * Births of devices: many of them among many waiting messages, and births that a device without a clock can make.
 *
 * Quick: one publisher, a real broker, a few seconds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TEST_LIMIT_MS } from "../support/brokers.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { testOutbox } from "../support/outbox.ts";
import { Awake, parkFleet } from "../support/parked-fleet.ts";
import { testPublisher } from "../support/publisher.ts";

const options = { timeout: TEST_LIMIT_MS };
const BIRTHS = 60;

test("20,000 devices wait, 20 births a second: each is served, in the order of the births", options, async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return;
  const outbox = await testOutbox(t, 18);
  await parkFleet(outbox, 20_000);
  await testPublisher(t, { DATABASE_URL: outbox.url, MQTT_URL: broker.url });
  const devices = await Awake.start(t, broker.url);
  const served: number[] = [];
  for (let n = 0; n < BIRTHS; n++) {
    const device = n * 300;
    await devices.born(device, n % 2 === 0 ? `devices/${device}/cmd` : `devices/${device}/#`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    served.push(devices.served.size);
  }
  assert.ok(Math.max(...served) > BIRTHS / 2, "they are served while others are born");
  await devices.all(BIRTHS, 5_000);
  // A filter with a wildcard inside walks through everything, and delays no device.
  await devices.born(7, "devices/+/none");
  await devices.born(8, "devices/8/#");
  await devices.all(BIRTHS + 1, 2_000);
});

test("a device without a clock is served when it is born", options, async (t) => {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return;
  const outbox = await testOutbox(t, 18);
  await parkFleet(outbox, 20);
  const devices = await Awake.start(t, broker.url);
  // Retained, from before the publisher's start.
  await devices.says(0, "delivery/acker/kept", '{"instance":"kept","status":"online","filters":["devices/0/#"]}', true);
  const old = JSON.stringify({ instance: "old", status: "online", filters: ["devices/1/#"], since: 1_600_000_000 });
  await devices.says(1, "delivery/acker/old", old, true);
  await testPublisher(t, { DATABASE_URL: outbox.url, MQTT_URL: broker.url });
  await devices.all(1, 5_000);
  const times = [{}, { since: 12.5 }, { since: "today" }, { since: 1_600_000_000 }, { since: 9_999_999_999 }];
  for (const [n, time] of times.entries()) await devices.born(n + 2, `devices/${n + 2}/cmd`, time);
  for (const payload of ["", "{", "[]", '{"instance":1}', '{"filters":["#"]}', "\u0000"]) {
    await devices.says("none", "delivery/acker/broken", payload);
  }
  await devices.born(10, "devices/10/#", {});
  await devices.all(7, 5_000);
  assert.equal(devices.served.has("devices/1/cmd"), false, "a retained birth that is years old");
});
