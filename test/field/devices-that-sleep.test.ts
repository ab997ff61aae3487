/**
 * Devices with a persistent session that are awake for moments, with plain QoS 1 as the measure: what waits in the broker at
 * the wake is what the device gets.
 *
 * The times are scaled: the probes of a destination come 1, 3 and 7 s after its parking, and a copy that lived only until its
 * retry (1 s at most here) is gone at the wake. In full, with the services' defaults and two to seven minutes of sleep:
 * `npm run bench -- --fleet --parts sleepers --sleepers 100 --away 120-420 --hold 15m`.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { suite, type TestContext, test } from "node:test";
import { startMosquitto } from "../support/mosquitto.ts";
import { testDatabase } from "../support/postgres.ts";
import { type TestPublisher, testPublisher } from "../support/publisher.ts";
import { Sleeper } from "../support/sleeper.ts";
import { until } from "../support/until.ts";

const QUICK = { ACKTOR_ACK_TIMEOUT_MIN: "300ms", ACKTOR_RETRY_BASE: "100ms", ACKTOR_RETRY_CAP: "500ms" };
const ROOT = path.resolve(import.meta.dirname, "../..");
/** Of the how-to. */
const PROGRAMS = ["mosquitto_sub", "mosquitto_pub", "jq", "curl"];
const VERSIONS = [5, 4] as const;

interface Field {
  readonly url: string;
  publisher(): Promise<TestPublisher>;
  /** A device of each version, with its session. */
  devices(): Promise<readonly Sleeper[]>;
}

async function field(t: TestContext, env: Readonly<Record<string, string>>): Promise<Field | null> {
  const broker = await startMosquitto(t, { lines: ["allow_anonymous true"] });
  if (broker === null) return null;
  const { url } = broker;
  const common = { DATABASE_URL: (await testDatabase(t)).url, MQTT_URL: url, ...QUICK, ...env };
  return {
    url,
    publisher: () => testPublisher(t, common),
    async devices() {
      const made = VERSIONS.map(
        (version) => new Sleeper({ url, name: `m${version}`, filter: `m${version}/#`, version }),
      );
      await Promise.all(made.map((device) => device.enrol()));
      return made;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function acknowledged(publisher: TestPublisher, ids: readonly string[]): Promise<void> {
  const all = async () => (await Promise.all(ids.map((id) => publisher.state(id)))).every((s) => s === "acknowledged");
  await until(all, 5_000, "the messages to be acknowledged");
}

async function send(publisher: TestPublisher, version: 4 | 5, count: number, more: object = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++)
    ids.push(await publisher.send({ topic: `m${version}/cmd`, content: `${n}`, ...more }));
  return ids;
}

// At the same time: they mostly wait.
suite("devices that sleep", { concurrency: true }, () => {
  test("with a hold a device finds each message once at its first wake, in order, also after a restart", async (t) => {
    const trial = await field(t, { ACKTOR_BROKER_HOLD: "15m" });
    if (trial === null) return;
    const [first, devices] = await Promise.all([trial.publisher(), trial.devices()]);
    const ids = await Promise.all(VERSIONS.map((version) => send(first, version, 12)));
    await pause(1_500);
    await first.stop();
    const publisher = await trial.publisher();
    await pause(1_500);
    assert.match(String((await publisher.ask("GET", `/v1/messages/${ids[0]?.[0]}`)).json["held_until"]), /^20/);
    assert.deepEqual(await Promise.all(devices.map((device) => device.wake(1_000))), [12, 12]);
    for (const [at, device] of devices.entries()) assert.deepEqual(device.order, ids[at]);
    await acknowledged(publisher, ids.flat());
  });

  test("a hold that is over is followed by a copy, and on MQTT 5 there is no hold where there is no session", async (t) => {
    const trial = await field(t, {});
    if (trial === null) return;
    const [publisher, [device]] = await Promise.all([trial.publisher(), trial.devices()]);
    const hold = { hold_seconds: 1 };
    const [again = ""] = await send(publisher, 5, 1, hold);
    const absent = await publisher.send({ topic: "absent/cmd", content: "x", hold_seconds: 900 });
    const row = async (id: string) => (await publisher.ask("GET", `/v1/messages/${id}`)).json;
    await until(async () => Number((await row(again))["retry_count"]) >= 1, 5_000, "a second copy");
    await until(async () => Number((await row(absent))["retry_count"]) >= 1, 5_000, "a probe");
    assert.equal((await row(absent))["held_until"], null);
    await device?.wake(1_000);
    assert.ok((device?.copies.get(again) ?? 0) >= 1);
    await acknowledged(publisher, [again]);
  });

  test("without a hold a copy waits at each wake, and the answer to it brings the others while the device is awake", async (t) => {
    const trial = await field(t, {});
    if (trial === null) return;
    const [publisher, devices] = await Promise.all([trial.publisher(), trial.devices()]);
    const ids = await Promise.all(VERSIONS.map((version) => send(publisher, version, 5)));
    // Parked after 2 s at most: in the pause before the fourth probe.
    await pause(10_000);
    await Promise.all(devices.map((device) => device.wake(3_000)));
    assert.deepEqual(
      devices.map(({ copies }) => copies.size),
      [5, 5],
    );
    await acknowledged(publisher, ids.flat());
  });

  test("the how-to's commands work as they stand", async (t) => {
    const missing = PROGRAMS.filter((name) => spawnSync("which", [name]).status !== 0);
    if (missing.length > 0) return t.skip(`${missing.join(" and ")} are not installed`);
    const trial = await field(t, {});
    if (trial === null) return;
    const publisher = await trial.publisher();
    const port = new URL(trial.url).port;
    const page = await readFile(path.join(ROOT, "docs/how-to/devices-that-sleep.md"), "utf8");
    for (const [, block = ""] of page.matchAll(/^```sh\n([\s\S]*?)^```/gm)) {
      const text = block
        .replaceAll("http://127.0.0.1:8080", publisher.url)
        .replace(/^acktor /gm, "node tools/cli/acktor.mjs ")
        .replace(/mosquitto_(sub|pub)/g, `mosquitto_$1 -p ${port}`);
      const child = spawn("bash", ["-c", text], { cwd: ROOT, env: { ...process.env, ACKTOR_URL: publisher.url } });
      const [code] = (await once(child, "close")) as [number];
      assert.equal(code, 0, block);
    }
    const { messages } = (await publisher.ask("GET", "/v1/messages")).json as { messages: { message_id: string }[] };
    assert.equal(messages.length, 2);
    await acknowledged(
      publisher,
      messages.map(({ message_id }) => message_id),
    );
  });
});
