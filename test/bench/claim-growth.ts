/**
 * Does the claim grow with what is finished, with keys, with days, or behind a reader that stays open?
 *
 * Each line is 30 claims of 500 due rows (half of them keyed), whose leases are given back before the next one: the
 * median, and the CPU time of the backend, which other work on the machine does not lengthen (Linux only).
 */
import { existsSync, readFileSync } from "node:fs";
import { claimDue } from "@acktor/publisher/outbox/claim-due";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { LowWater } from "@acktor/publisher/outbox/low-water";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import { releaseLeases } from "@acktor/publisher/outbox/release-leases";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { claim, given, INSERT, messages, rowsOf } from "../support/outbox.ts";
import { type Scope, scoped } from "./scope.ts";

const CLAIMS = 30;
const LIMIT = 500;
const DEADLINE_MS = 900_000;

const FINISHED = 1_000_000;

export interface ClaimLine {
  readonly case: string;
  readonly medianMs: number;
  /** Mean. */
  readonly cpuMs: number;
}

/** Seconds on a clock of our own, so that the low-water mark may follow within the run. */
class Clock {
  #ahead = 0;
  readonly now = (): number => performance.now() + this.#ahead;
  forward(ms: number): void {
    this.#ahead += ms;
  }
}

/** CPU time of a process so far, milliseconds. */
function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/schedstat`;
  return existsSync(file) ? Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6 : Number.NaN;
}

async function measure(name: string, pool: Pool, lowWater: string | null = null): Promise<ClaimLine> {
  const times: number[] = [];
  const [backend] = rowsOf(await pool.run<{ pid: number }>("select pg_backend_pid() pid"));
  const pid = backend?.pid ?? 0;
  let cpuMs = 0;
  for (let i = 0; i < CLAIMS; i++) {
    const cpuBefore = cpuMsOf(pid);
    const startedAt = performance.now();
    const { messages: rows } = given(await claimDue(pool, claim({ limit: LIMIT, lowWater })));
    times.push(performance.now() - startedAt);
    cpuMs += cpuMsOf(pid) - cpuBefore;
    if (rows.length === 0) throw new Error(`${name}: nothing was due`);
    rowsOf(
      await releaseLeases(
        pool,
        rows.map((row) => ({ ...row, dueInMs: 0 })),
      ),
    );
  }
  times.sort((a, b) => a - b);
  return { case: name, medianMs: times[CLAIMS >> 1] ?? 0, cpuMs: cpuMs / CLAIMS };
}

async function database(scope: Scope, serverUrl: string, name: string, size = 1): Promise<Pool> {
  const server = createPool({ url: serverUrl, size: 1, applicationName: "claim-growth" });
  rowsOf(await server.run(`create database ${name}`));
  await server.stop();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = createPool({ url: url.href, size, deadlineMs: DEADLINE_MS, applicationName: "claim-growth" });
  scope.defer(() => pool.stop());
  const migrated = await migrateOutbox(pool);
  if (!migrated.ok) throw new Error(migrated.failure.message);
  return pool;
}

/** Rows that are due now, half of them each with a key of its own. */
async function addDue(pool: Pool): Promise<void> {
  const inserted = await insertMessages(
    pool,
    messages(2 * LIMIT, (at) => ({ orderingKey: at % 2 === 0 ? `k${at}` : null })),
    INSERT,
  );
  if (!inserted.ok) throw new Error(JSON.stringify(inserted));
}

/** Finished rows of today, half of them keyed, as any other row has been: born pending, then ended. */
async function addFinished(pool: Pool, count: number, keyed = true): Promise<void> {
  for (let left = count; left > 0; left -= 50_000) {
    rowsOf(
      await pool.run(
        `insert into publisher.message_delivery (message_id, topic, payload, checksum, ordering_key)
select publisher.uuid_v7(), 'old', repeat('x', 256), 'sha256:' || repeat('0', 64), case when $2::boolean and n % 2 = 0 then 'k' || n % 1000 end
from generate_series(1, $1::int4) n`,
        [Math.min(left, 50_000), keyed],
      ),
    );
    rowsOf(
      await pool.run(
        "update publisher.message_delivery set state = 'acknowledged', acknowledged_at = now(), acked_by = '', due_at = null where topic = 'old' and due_at is not null",
      ),
    );
  }
}

async function addKeys(pool: Pool, prefix: string, count: number, keys: number): Promise<void> {
  rowsOf(
    await pool.run(
      `insert into publisher.message_delivery (message_id, topic, payload, checksum, ordering_key, due_at)
select publisher.uuid_v7(), 'keyed', 'x', 'sha256:' || repeat('0', 64), $1 || n % $2::int4, now() from generate_series(1, $3::int4) n`,
      [prefix, keys, count],
    ),
  );
}

/** A server that has just started is slower at everything. */
async function warmUp(scope: Scope, serverUrl: string): Promise<ClaimLine[]> {
  const pool = await database(scope, serverUrl, "warm");
  await addDue(pool);
  await measure("warm", pool);
  return [];
}

async function growth(scope: Scope, serverUrl: string): Promise<ClaimLine[]> {
  const pool = await database(scope, serverUrl, "growth");
  await addDue(pool);
  const lines = [await measure("0 finished rows", pool)];
  await addFinished(pool, FINISHED);
  lines.push(await measure(`${FINISHED.toLocaleString("en")} finished rows, no vacuum yet`, pool));
  rowsOf(await pool.run("vacuum analyze publisher.message_delivery"));
  lines.push(await measure(`${FINISHED.toLocaleString("en")} finished rows`, pool));
  for (const days of [8, 32]) {
    rowsOf(
      await pool.run(
        "select publisher.create_partition(((now() at time zone 'UTC')::date - d)::date) from generate_series(2, $1::int4) d",
        [days],
      ),
    );
    lines.push(await measure(`the same, ${days + 4} days of partitions`, pool));
  }
  return lines;
}

async function keys(scope: Scope, serverUrl: string): Promise<ClaimLine[]> {
  const pool = await database(scope, serverUrl, "keys");
  await addKeys(pool, "k", 100_000, 100_000);
  const lines = [await measure("100,000 keys with one row each", pool)];
  await addKeys(pool, "a-hot", 100_000, 1);
  lines.push(await measure("and one key with 100,000 rows", pool));
  return lines;
}

/** A REPEATABLE READ reader that keeps every dead index entry alive. */
async function idleReader(scope: Scope, serverUrl: string): Promise<ClaimLine[]> {
  const pool = await database(scope, serverUrl, "reader");
  const { default: postgres } = await import("postgres");
  const url = new URL(serverUrl);
  url.pathname = "/reader";
  const reader = postgres(url.href, { max: 1 });
  scope.defer(() => reader.end({ timeout: 1 }));
  await reader`begin isolation level repeatable read`;
  await reader`select count(*) from publisher.message_delivery`;
  await addFinished(pool, 200_000, false);
  const clock = new Clock();
  const mark = new LowWater(clock.now);
  rowsOf(await pool.run("select pg_sleep(11)"));
  await addDue(pool);
  const lines = [await measure("200,000 rows finished behind an open reader", pool)];
  for (let i = 0; i < 3; i++) {
    const claimed = given(await claimDue(pool, claim({ limit: 5_000, lowWater: mark.mark })));
    mark.claimed(claimed, true);
    rowsOf(
      await releaseLeases(
        pool,
        claimed.messages.map((row) => ({ ...row, dueInMs: 0 })),
      ),
    );
    clock.forward(2_000);
  }
  lines.push(await measure("the same, above the low-water mark", pool, mark.mark));
  await addFinished(pool, 100_000);
  lines.push(await measure("and 50,000 keyed rows finished", pool, mark.mark));
  return lines;
}

/** Measures on databases of its own. */
export async function measureClaims(serverUrl: string): Promise<ClaimLine[]> {
  const cases = [warmUp, growth, keys, idleReader];
  const lines: ClaimLine[] = [];
  for (const measured of cases) lines.push(...(await scoped((scope) => measured(scope, serverUrl))));
  return lines;
}
