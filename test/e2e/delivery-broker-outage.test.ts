/** The broker goes away and comes back, once in order and once killed with all its state: intake continues, nothing is lost. */
import assert from "node:assert/strict";
import { ALL_BROKERS, testWithBrokers } from "../support/brokers.ts";
import { linkState, setStage } from "../support/pair.ts";
import type { Service } from "../support/processes.ts";
import { startTraffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const RATE = 100;
/** CONNECTED at most this long after the broker is back. */
const RECOVERY_MS = 10_000;

testWithBrokers("a broker that stops, and one that is killed, lose nothing", ALL_BROKERS, async (t, broker) => {
  const stage = await setStage(t, { broker });
  const [publisher, acker] = await Promise.all([stage.publisher(), stage.acker()]);
  const traffic = startTraffic({ rate: RATE, publishers: () => [publisher] });
  await traffic.more(100);
  for (const end of [stage.broker.stop, stage.broker.kill]) {
    await end();
    await until(async () => (await linkState(publisher)) !== "CONNECTED", 5_000, "the publisher to notice");
    await traffic.more(100);
    await stage.broker.start();
    const backAt = performance.now();
    await Promise.all([connected(publisher), connected(acker)]);
    t.diagnostic(`CONNECTED ${(performance.now() - backAt).toFixed(0)} ms after the broker came back`);
    await traffic.more(100);
  }
  const report = await traffic.stop();
  assert.deepEqual({ refused: report.refused, unknown: report.unknown }, { refused: 0, unknown: 0 });
  await stage.assertDelivered({ accepted: report.accepted });
});

async function connected(service: Service): Promise<void> {
  await until(async () => (await linkState(service)) === "CONNECTED", RECOVERY_MS, `${service.url} to be CONNECTED`);
}
