/** One of ten destinations is silent: the others must not feel it (SPEC 3, order and isolation). */
import assert from "node:assert/strict";
import { AEDES, MOSQUITTO_5, testWithBrokers } from "../support/brokers.ts";
import { type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import { startTraffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const RATE = 200;
const MESSAGES = 1_200;
const MOST = 1.5;

testWithBrokers("a silent destination does not slow the nine others", [AEDES, MOSQUITTO_5], async (t, broker) => {
  // Timeouts as in production; the silent topic is one that the acker does not take.
  const env = { ACKTOR_ACK_TIMEOUT_MIN: "2s", ACKTOR_RETRY_BASE: "1s", ACKTOR_RETRY_CAP: "60s" };
  const stage = await setStage(t, { broker, env });
  const publisher = await stage.publisher();
  const nine = Array.from({ length: 9 }, (_, n) => `e2e/line/${n}`);
  await stage.acker({ ACKTOR_TOPICS: nine.join(",") });
  const warmUp = await round(publisher, nine, 300);
  const without = await round(publisher, nine, MESSAGES);
  const withSilent = await round(publisher, [...nine, "e2e/silent"], MESSAGES);
  const after = await round(publisher, nine, MESSAGES);
  const answered = [warmUp, without, withSilent, after].flatMap((ids) => ids.answered);
  await until(async () => (await unsettled(stage, answered)) === 0, 20_000, "the nine to be settled");
  const [quiet, loud, later] = [
    await p99(stage, without.answered),
    await p99(stage, withSilent.answered),
    await p99(stage, after.answered),
  ];
  t.diagnostic(
    `p99 of the nine: ${quiet.toFixed(1)} ms without, ${loud.toFixed(1)} ms beside a silent one, ${later.toFixed(1)} ms after it`,
  );
  // The quiet rounds before and after are the same load: what the machine itself does to a p99 lies between them.
  const usual = Math.max(quiet, later);
  assert.ok(
    loud <= usual * MOST,
    `p99 ${loud.toFixed(1)} ms beside a silent destination, ${usual.toFixed(1)} ms without`,
  );
  // Then it speaks: nothing was lost by being set aside.
  await stage.acker({ ACKTOR_TOPICS: "e2e/silent" });
  await stage.assertDelivered({ accepted: [...answered, ...withSilent.silent] });
});

interface Round {
  readonly answered: readonly string[];
  readonly silent: readonly string[];
}

/** Sends `count` messages to `topics` in turn, at the test's rate. */
async function round(publisher: PublisherProcess, topics: readonly string[], count: number): Promise<Round> {
  const traffic = startTraffic({
    rate: RATE,
    publishers: () => [publisher],
    body: (n) => ({ topic: topics[n % topics.length], content: `${topics[n % topics.length]} ${n}` }),
  });
  await until(() => traffic.accepted.length >= count, 30_000, `${count} messages to be accepted`);
  const { accepted, bodies, refused, unknown } = await traffic.stop();
  assert.equal(refused + unknown, 0);
  const isSilent = (id: string): boolean => JSON.stringify(bodies.get(id)).includes("silent");
  return { answered: accepted.filter((id) => !isSilent(id)), silent: accepted.filter(isSilent) };
}

async function unsettled({ sql }: Stage, ids: readonly string[]): Promise<number> {
  const [row] = await sql<{ live: number }>(
    "select count(*)::int4 live from publisher.message_delivery where due_at is not null and message_id = any($1::uuid[])",
    [`{${ids.join(",")}}`],
  );
  return row?.live ?? 0;
}

/** From creation to acknowledgment, milliseconds. */
async function p99({ sql }: Stage, ids: readonly string[]): Promise<number> {
  const [row] = await sql<{ p99: number }>(
    `select percentile_cont(0.99) within group (order by extract(epoch from acknowledged_at - created_at) * 1000)::float8 p99
     from publisher.message_delivery where message_id = any($1::uuid[])`,
    [`{${ids.join(",")}}`],
  );
  return row?.p99 ?? Number.NaN;
}
