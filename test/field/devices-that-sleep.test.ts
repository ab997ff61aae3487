/**
 * Devices with a persistent session that are awake for moments, with plain QoS 1 as the measure: what waits in the broker at
 * the wake is what the device gets.
 *
 * The pauses are scaled: probes reach 8 s within the test, and a copy that lived only until its retry (2 s at most here) is
 * gone at the wake. SLEEPERS=100 runs the trial of two to seven minutes with the services' defaults (npm run bench -- --fleet
 * shares its device).
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startMosquitto } from "../support/mosquitto.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { Sleeper } from "../support/sleeper.ts";
import { until } from "../support/until.ts";

const QUICK = { ACKTOR_ACK_TIMEOUT_MIN: "300ms", ACKTOR_RETRY_BASE: "100ms", ACKTOR_RETRY_CAP: "500ms" };
/** Longer than a trial. */
const HOLD = { ACKTOR_BROKER_HOLD: "15m" };

interface Field {
  readonly publisher: TestPublisher;
  readonly env: Readonly<Record<string, string>>;
  device(name: string, version: 4 | 5, uplink?: string): Promise<Sleeper>;
}

async function field(t: TestContext, env: Readonly<Record<string, string>>): Promise<Field | null> {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return null;
  const { url } = broker;
  const common = { DATABASE_URL: (await testDatabase(t)).url, MQTT_URL: url, ...QUICK, ...env };
  return {
    publisher: await testPublisher(t, common),
    env: common,
    async device(name, version, uplink) {
      const device = new Sleeper({
        url,
        name,
        filter: `field/${name}/#`,
        version,
        ...(uplink === undefined ? {} : { uplink }),
      });
      await device.enrol();
      return device;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function acknowledged(publisher: TestPublisher, ids: readonly string[], ms: number): Promise<void> {
  const all = async () => (await Promise.all(ids.map((id) => publisher.state(id)))).every((s) => s === "acknowledged");
  await until(all, ms, "the messages to be acknowledged");
}

const VERSIONS = [5, 4] as const;

test("with a hold a device finds each of its messages once at its first wake, in order, with MQTT 5 and 3.1.1", async (t) => {
  const trial = await field(t, HOLD);
  if (trial === null) return;
  const { publisher } = trial;
  const devices = await Promise.all(VERSIONS.map((version) => trial.device(`held-${version}`, version)));
  const sent = VERSIONS.map(async (version) => {
    const ids: string[] = [];
    for (let n = 0; n < 12; n++)
      ids.push(await publisher.send({ topic: `field/held-${version}/cmd`, content: `${n}` }));
    return ids;
  });
  const ids = await Promise.all(sent);
  await pause(4_000);
  for (const [at, device] of devices.entries()) {
    assert.equal(await device.wake(1_000), 12);
    assert.deepEqual(device.order, ids[at]);
    await acknowledged(publisher, device.order, 5_000);
  }
});

test("without a hold a copy waits at each wake, and the answer to it brings the others while the device is awake", async (t) => {
  const trial = await field(t, {});
  if (trial === null) return;
  const { publisher } = trial;
  const devices = await Promise.all(VERSIONS.map((version) => trial.device(`plain-${version}`, version)));
  const topics = VERSIONS.flatMap((version) => Array.from({ length: 5 }, () => `field/plain-${version}/cmd`));
  const ids = await Promise.all(topics.map((topic) => publisher.send({ topic, content: "x" })));
  // Parked after 2 s at most; the probes come 1, 3 and 7 s later, and the copies of the first sends are gone on MQTT 5.
  await pause(12_000);
  for (const device of devices) {
    await device.wake(3_000);
    assert.equal(device.copies.size, 5);
  }
  await acknowledged(publisher, ids, 5_000);
});
