/**
 * Junk under the ack prefix, up to 50,000 a second for ten seconds: memory stays flat, and an honest ack counts within two
 * seconds. With a secret, as in docker-compose.yml, and without. The test prints the rate that the machine reached.
 *
 * Runs alone: it measures how long an honest ack takes during a flood.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { startFlood } from "../support/junk-flood.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { linkState, QUICK } from "../support/pair.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Service, startService } from "../support/processes.ts";
import { until } from "../support/until.ts";

const PER_SECOND = 50_000;
const FLOOD_MS = 10_000;
const HONEST_MS = 2_000;
/** For garbage between two collections, and for queues, which are all bounded. */
const MOST_GROWTH_BYTES = 150 * 1024 * 1024;

for (const secret of ["the secret of the acks", null]) {
  test(`a flood of junk acks, ${secret === null ? "without a secret" : "with a secret"}`, async (t) => {
    const [database, broker] = await Promise.all([
      testDatabase(t),
      startMosquitto(t, { lines: ["allow_anonymous true"] }),
    ]);
    if (broker === null) return;
    const common = {
      DATABASE_URL: database.url,
      MQTT_URL: broker.url,
      ...QUICK,
      ...(secret === null ? {} : { ACKTOR_ACK_SECRET: secret }),
    };
    const publisher = await startService(t, "publisher", common);
    const acker = await startService(t, "acker", { ...common, ACKTOR_TOPICS: "data/#" });
    await Promise.all([publisher.ready(), acker.ready()]);
    await until(async () => (await linkState(publisher)) === "CONNECTED", 10_000, "the publisher to be CONNECTED");
    await delivery(publisher);
    const before = residentBytes(publisher);
    const flood = await startFlood(t, broker.url, PER_SECOND);
    const times: number[] = [];
    /** The slowest honest ack of each second: a busy moment of the machine delays one, a growing queue delays all. */
    const slowestOf: number[] = [];
    let most = before;
    const startedAt = performance.now();
    while (performance.now() - startedAt < FLOOD_MS) {
      const second = Math.floor((performance.now() - startedAt) / 1_000);
      const tookMs = await delivery(publisher);
      times.push(tookMs);
      slowestOf[second] = Math.max(slowestOf[second] ?? 0, tookMs);
      most = Math.max(most, residentBytes(publisher));
    }
    flood.stop();
    const seconds = (performance.now() - startedAt) / 1_000;
    const received = (await acks(publisher))["received"] ?? 0;
    tell(t, { seconds, sent: flood.sent(), received, times, growth: most - before });
    assert.ok(received > 10_000, `only ${received} junk acks came through: this was no flood`);
    const typical = median(slowestOf.filter((ms) => ms !== undefined));
    assert.ok(typical < HONEST_MS, `in half of the seconds an honest ack took ${typical} ms`);
    assert.ok(most - before < MOST_GROWTH_BYTES, `memory grew by ${most - before} bytes`);
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[values.length >> 1] ?? 0;
}

/** Milliseconds from a message's request to its acknowledgment in the outbox. */
async function delivery(publisher: Service): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(`${publisher.url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic: "data/1", content: "honest" }),
  });
  const { message_id: id } = (await response.json()) as { message_id: string };
  await until(
    async () => {
      const row = (await (await fetch(`${publisher.url}/v1/messages/${id}`)).json()) as { state: string };
      return row.state === "acknowledged";
    },
    30_000,
    "the honest ack to count",
  );
  return performance.now() - startedAt;
}

async function acks(publisher: Service): Promise<Record<string, number>> {
  const status = (await (await fetch(`${publisher.url}/v1/status`)).json()) as { acks: Record<string, number> };
  return status.acks;
}

/** From /proc. Without /proc: 0, so that memory counts as flat. */
function residentBytes({ pid }: Service): number {
  if (process.platform !== "linux") return 0;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}

interface Measured {
  readonly seconds: number;
  readonly sent: number;
  readonly received: number;
  readonly times: readonly number[];
  readonly growth: number;
}

function tell(t: TestContext, { seconds, sent, received, times, growth }: Measured): void {
  const rate = (count: number): string => `${Math.round(count / seconds)} a second`;
  const slowest = Math.round(Math.max(...times));
  t.diagnostic(
    `sent ${rate(sent)}, received ${rate(received)}, ${times.length} honest deliveries, slowest ${slowest} ms`,
  );
  t.diagnostic(`memory grew by ${Math.round(growth / 1_048_576)} MiB at most`);
}
