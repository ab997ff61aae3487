/**
 * One of ten destinations is silent: the others are not affected.
 *
 * Runs alone: it compares latencies.
 */
import assert from "node:assert/strict";
import { AEDES, testWithBrokers } from "../support/brokers.ts";
import { type PublisherProcess, type Stage, setStage } from "../support/pair.ts";
import { startTraffic } from "../support/traffic.ts";
import { until } from "../support/until.ts";

const RATE = 100;
const QUIET_MESSAGES = 400;
/** Long enough to detect the silent destination: three ack timeouts of two seconds. */
const LOUD_MESSAGES = 800;
const MOST = 1.5;
/** A busy machine spoils single measurements; a blocking destination spoils all. */
const MEASUREMENTS = 3;

testWithBrokers("a silent destination does not slow the nine others", [AEDES], async (t, broker) => {
  const env = { ACKTOR_ACK_TIMEOUT_MIN: "2s", ACKTOR_RETRY_BASE: "1s", ACKTOR_RETRY_CAP: "60s" };
  const stage = await setStage(t, { broker, env });
  const [publisher] = await Promise.all([stage.publisher(), stage.acker({ ACKTOR_TOPICS: NINE.join(",") })]);
  const warmUp = await round(publisher, NINE, QUIET_MESSAGES / 2);
  const rounds = [warmUp];
  let ratio = Number.POSITIVE_INFINITY;
  for (let n = 1; n <= MEASUREMENTS && ratio > MOST; n++) {
    const measured = [
      await round(publisher, NINE, QUIET_MESSAGES),
      await round(publisher, [...NINE, `e2e/silent/${n}`], LOUD_MESSAGES),
      await round(publisher, NINE, QUIET_MESSAGES),
    ];
    rounds.push(...measured);
    await until(async () => (await unsettled(stage, answeredOf(measured))) === 0, 20_000, "the nine to be settled");
    const [before = 0, during = 0, after = 0] = await Promise.all(measured.map((one) => p99(stage, one.answered)));
    // The same load before and after: the machine's own effect on a p99 lies between the two.
    ratio = during / Math.max(before, after);
    const times = [before, during, after].map((ms) => ms.toFixed(1)).join(" / ");
    t.diagnostic(`p99 of the nine before / during / after a silent one: ${times} ms, ratio ${ratio.toFixed(2)}`);
  }
  assert.ok(ratio <= MOST, `p99 during a silent destination is ${ratio.toFixed(2)} times that without`);
  // Then it answers: parking lost no message.
  await stage.acker({ ACKTOR_TOPICS: "e2e/silent/+" });
  await stage.assertDelivered({ accepted: [...answeredOf(rounds), ...rounds.flatMap((one) => one.silent)] });
});

const NINE = Array.from({ length: 9 }, (_, n) => `e2e/line/${n}`);

interface Round {
  readonly answered: readonly string[];
  readonly silent: readonly string[];
}

function answeredOf(rounds: readonly Round[]): string[] {
  return rounds.flatMap((one) => one.answered);
}

/** Sends `count` messages to `topics` in turn, at the test's rate. */
async function round(publisher: PublisherProcess, topics: readonly string[], count: number): Promise<Round> {
  const traffic = startTraffic({
    rate: RATE,
    publishers: () => [publisher],
    body: (n) => ({ topic: topics[n % topics.length], content: `${topics[n % topics.length]} ${n}` }),
  });
  await traffic.more(count);
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
