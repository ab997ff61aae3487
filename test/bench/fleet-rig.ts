/** One publisher on a database of its own, and what the parts of the fleet's benchmark do with it. */
import { Database } from "./database.ts";
import { type Distribution, distributionOf } from "./distribution.ts";
import type { Bench } from "./end-to-end.ts";
import { Caller } from "./load.ts";
import { type Service, startService } from "./pair.ts";
import type { Scope } from "./scope.ts";

export interface FleetRig {
  readonly database: Database;
  readonly publisher: Service;
  readonly caller: Caller;
}

const BATCH = 500;
const CONTENT = "x".repeat(64);

/** @param env settings of the publisher, on top of what every run has */
export async function startFleetRig(
  scope: Scope,
  bench: Bench,
  name: string,
  env: Readonly<Record<string, string>> = {},
): Promise<FleetRig> {
  const database = await Database.create(scope, bench.postgres.url, name);
  const publisher = await startFleetPublisher(scope, bench, database, env);
  const caller = new Caller(publisher.url, bench.options.connections);
  scope.defer(() => caller.close());
  return { database, publisher, caller };
}

export function startFleetPublisher(
  scope: Scope,
  { options, directory, broker }: Bench,
  database: Database,
  env: Readonly<Record<string, string>> = {},
): Promise<Service> {
  return startService(scope, {
    ...{ directory, databaseUrl: database.url, mqttUrl: broker.url, profileDir: options.profileDir, env },
    ...{ name: "publisher", window: options.window, wantsBroker: true },
  });
}

export function post(caller: Caller, topic: string): Promise<string> {
  return caller.post("/v1/messages", Buffer.from(JSON.stringify({ topic, content: CONTENT })));
}

/** Sends one message to each topic. */
export async function postAll({ caller }: FleetRig, topics: readonly string[]): Promise<void> {
  for (let at = 0; at < topics.length; at += BATCH) {
    const messages = topics.slice(at, at + BATCH).map((topic) => ({ topic, content: CONTENT }));
    await caller.post("/v1/messages/batch", Buffer.from(JSON.stringify({ messages })));
  }
}

/** Messages whose topic begins so: how many there are, and how long each that is acknowledged took, milliseconds. */
export async function acknowledgedUnder(
  { database }: FleetRig,
  prefix: string,
): Promise<{ readonly sent: number; readonly ages: Distribution }> {
  const rows = await database.rows<{ ms: number | null }>(
    `select (extract(epoch from acknowledged_at - created_at) * 1000)::float8 ms
     from publisher.message_delivery where starts_with(topic, $1)`,
    [prefix],
  );
  return { sent: rows.length, ages: distributionOf(rows.flatMap(({ ms }) => (ms === null ? [] : [ms]))) };
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does `work` `rate` times a second for `seconds`, without waiting for its end; rejects when one of them did. */
export async function paced(rate: number, seconds: number, work: (index: number) => Promise<unknown>): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < rate * seconds; index++) {
    const due = startedAt + (index * 1_000) / rate;
    await wait(Math.max(0, due - performance.now()));
    underWay.push(work(index));
  }
  await Promise.all(underWay);
}
