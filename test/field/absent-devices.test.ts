/**
 * Devices that are away while their sessions stay in the broker: it accepts every message for them, and no ack comes. The
 * present ones do not notice.
 *
 * Quick: the isolation of the README's table.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectDevice } from "../bench/fleet-device.ts";
import { AEDES, TEST_LIMIT_MS } from "../support/brokers.ts";
import { testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { until } from "../support/until.ts";

const ABSENT = 400;
/** The absent ones are twelve times as many as fit. */
const WINDOW = 32;
/** Far more than a loaded machine needs, and half of the wait behind one silent window. */
const MOST_MS = 1_000;

test("a present device is served next to absent ones, also when it was switched on after them", {
  timeout: TEST_LIMIT_MS,
}, async (t) => {
  const broker = await AEDES.start(t);
  const { url: databaseUrl } = await testDatabase(t);
  const publisher = await testPublisher(t, {
    ...{ DATABASE_URL: databaseUrl, MQTT_URL: broker.url, ACKTOR_WINDOW: String(WINDOW) },
  });
  let toAbsent = 0;
  const receiver = {
    received({ topic }: { readonly topic: string }): boolean {
      const isAbsent = topic.startsWith("absent/");
      if (isAbsent) toAbsent++;
      return !isAbsent;
    },
  };
  const device = await connectDevice({
    ...{ url: broker.url, clientId: "fleet", protocolVersion: 4, filters: ["absent/+", "present/+"], receiver },
  });
  t.after(() => device.leave());
  const away = Array.from({ length: ABSENT }, (_, n) => ({ topic: `absent/${n}`, content: "x" }));
  assert.equal((await publisher.ask("POST", "/v1/messages/batch", { messages: away })).status, 201);
  await until(() => toAbsent >= (WINDOW * 3) / 4, 10_000, "the absent ones to fill their part of the window");
  for (let n = 0; n < 10; n++) {
    const id = await publisher.send({ topic: `present/${n % 2}`, content: String(n) });
    await until(async () => (await publisher.state(id)) === "acknowledged", MOST_MS, `message ${n}`);
  }
  // Ack timeout 2 s: each of the places for them is used once in that time.
  assert.ok(toAbsent <= 3 * WINDOW, `${toAbsent} messages to absent devices`);
});
