/**
 * Locks and limits of PostgreSQL: acktor never holds more backends than it was given, and works with those that it gets.
 *
 * Quick: one server, no services.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { migrateOutbox } from "@acktor/publisher/outbox/migrate-outbox";
import { OLD_LOCKS, type OldLock, readOldLocks } from "@acktor/publisher/outbox/old-locks";
import { createTransactionSlots, FENCE } from "@acktor/shared/db/fenced-transaction";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { rowsOf } from "../support/outbox.ts";
import { testDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const SIZE = 6;
const DEADLINE_MS = 250;

interface Scene {
  readonly url: string;
  readonly owner: Pool;
  /** Backends with this application name. */
  backends(name: string): Promise<number>;
  /** Locks the table until the returned function is called. */
  lock(): Promise<() => Promise<void>>;
}

async function scene(t: TestContext): Promise<Scene> {
  const { url } = await testDatabase(t);
  const owner = createPool({ url, size: 2, applicationName: "owner", deadlineMs: 60_000 });
  t.after(() => owner.stop());
  rowsOf(await owner.run("create table thing (id int primary key)"));
  const holders = createTransactionSlots({ url, size: 1, queueLimit: 1, applicationName: "holder" });
  t.after(() => holders.stop());
  const lock = async (): Promise<() => Promise<void>> => {
    const gate = { open: (): void => undefined, isHeld: false };
    const held = holders.run(
      async (query) => {
        await query("lock table thing in access exclusive mode");
        gate.isHeld = true;
        await new Promise<void>((resolve) => {
          gate.open = resolve;
        });
      },
      { text: `select 1 where ${FENCE} = $1`, params: [] },
      new AbortController().signal,
    );
    await until(() => gate.isHeld, 5_000, "the lock");
    return async () => {
      gate.open();
      await held;
    };
  };
  const backends = async (name: string): Promise<number> => {
    const count = "select count(*)::int4 n from pg_stat_activity where application_name = $1";
    return rowsOf(await owner.run<{ n: number }>(count, [name]))[0]?.n ?? -1;
  };
  return { url, owner, backends, lock };
}

// POOL-5, SLOT-1
test("a locked table under load: no more backends than the pool's size and two, and it recovers immediately", async (t) => {
  const { url, backends, lock } = await scene(t);
  const pool = createPool({ url, size: SIZE, applicationName: "under load", deadlineMs: DEADLINE_MS });
  t.after(() => pool.stop());
  const unlock = await lock();
  const results: Promise<{ ok: boolean }>[] = [];
  let most = 0;
  const end = performance.now() + 8 * DEADLINE_MS;
  while (performance.now() < end) {
    results.push(pool.run("insert into thing values (1) on conflict do nothing"));
    if (results.length % 10 === 0) most = Math.max(most, await backends("under load"));
    else await new Promise((resolve) => setImmediate(resolve));
    if (pool.waiting() > 100) await results.at(-50);
  }
  assert.ok((await Promise.all(results)).every(({ ok }) => !ok));
  assert.ok(most >= 2 && most <= SIZE + 2, `${most} backends`);
  await unlock();
  assert.equal((await pool.run("insert into thing values (2)", [], { deadlineMs: 5_000 })).ok, true);
});

// TRANSACTION-6
test("a handler's transaction that is cut off while it waits for a lock leaves no backend behind", async (t) => {
  const { url, backends, lock } = await scene(t);
  const slots = createTransactionSlots({ url, size: 1, queueLimit: 5, applicationName: "handlers" });
  t.after(() => slots.stop());
  const unlock = await lock();
  const closing = { text: `select 1 where ${FENCE} = $1`, params: [] };
  for (let round = 0; round < 4; round++) {
    const cut = AbortSignal.timeout(150);
    const outcome = await slots.run((query) => query("insert into thing values ($1)", [1]), closing, cut);
    assert.equal(outcome.kind, "unavailable");
    assert.ok((await backends("handlers")) <= 2);
  }
  await until(async () => (await backends("handlers")) === 0, 5_000, "the last backend to go");
  await unlock();
  const done = await slots.run(
    (query) => query("insert into thing values ($1)", [1]),
    closing,
    AbortSignal.timeout(5_000),
  );
  assert.equal(done.kind, "committed");
});

// POOL-4, SLOT-2
test("a role with fewer connections than the pool wants: every statement works with those", async (t) => {
  const { url, owner, backends } = await scene(t);
  const role = `r_${randomBytes(4).toString("hex")}`;
  rowsOf(await owner.run(`create role ${role} login password 'secret' connection limit 2`, [], { simple: true }));
  cleanUp(t, () => owner.run(`drop role ${role}`, [], { simple: true }));
  const limited = new URL(url);
  limited.username = role;
  limited.password = "secret";
  const pool = createPool({ url: limited.href, size: SIZE, applicationName: "limited", deadlineMs: 10_000 });
  cleanUp(t, () => pool.stop());
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => pool.run("select $1::int4 n", [n])));
    assert.deepEqual(
      answers.map((answer) => rowsOf(answer)[0]),
      Array.from({ length: 40 }, (_, n) => ({ n })),
    );
  }
  assert.equal(await backends("limited"), 2);
  const late = createPool({ url: limited.href, size: 1, applicationName: "late", deadlineMs: 5_000 });
  t.after(() => late.stop());
  const refused = await late.run("select 1");
  assert.deepEqual(!refused.ok && [refused.failure.code, refused.failure.maybeCommitted], ["53300", false]);
});

test("a transaction that wrote to the outbox and does not end is found with its holder", async (t) => {
  const { url } = await testDatabase(t);
  const pool = createPool({ url, size: 1, applicationName: "acktor-test", deadlineMs: 20_000 });
  cleanUp(t, () => pool.stop());
  const migrated = await migrateOutbox(pool);
  assert.ok(migrated.ok);
  const before = await readOldLocks(pool);
  assert.equal(before.ok && before.value.length, 0);
  const holders = createTransactionSlots({ url, size: 1, queueLimit: 1, applicationName: "the-shop" });
  cleanUp(t, () => holders.stop());
  const gate = { isHeld: false };
  const cut = new AbortController();
  const held = holders.run(
    async (query) => {
      await query("select publisher.enqueue('orders/9', 'x', ordering_key => 'held')");
      gate.isHeld = true;
      await new Promise<void>((resolve) => cut.signal.addEventListener("abort", () => resolve()));
    },
    { text: "select 1", params: [] },
    cut.signal,
  );
  await until(() => gate.isHeld, 10_000, "the key to be held");
  // A minute has passed.
  const soon = OLD_LOCKS.replaceAll("interval '1 minute'", "interval '0'");
  const found = rowsOf(await pool.run<OldLock>(soon)).filter(({ holder }) => holder.includes("the-shop"));
  assert.match(found[0]?.holder ?? "", /^pid \d+ \(user .+, application the-shop\)$/);
  cut.abort();
  await held;
});
