/** The janitor's roles on a real outbox: counting, expiry, probing, health. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { HealthCheck } from "@acktor/publisher/janitor/health-check";
import { Janitor } from "@acktor/publisher/janitor/janitor";
import { Prober } from "@acktor/publisher/janitor/prober";
import { Counter, Expiry, ReplicaCount, Retention } from "@acktor/publisher/janitor/sweeps";
import { WaitingLevel } from "@acktor/publisher/janitor/waiting-level";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { PostgresOutbox } from "@acktor/publisher/outbox/postgres-outbox";
import { releaseInstance } from "@acktor/publisher/outbox/release-leases";
import type { DbFailure, DbResult, Param, Pool, RunOptions } from "@acktor/shared/db/pool";
import type { LinkInfo } from "@acktor/shared/link/link";
import { DatabaseHealth } from "@acktor/shared/runtime/database-health";
import { Troubles } from "@acktor/shared/runtime/troubles";
import { AWAY } from "../support/db-results.ts";
import { fakeLink } from "../support/fake-link.ts";
import { keptLogger } from "../support/kept-logger.ts";
import { INSERT, message, messages, park, type TestOutbox, testOutbox } from "../support/outbox.ts";
import { testClock } from "../support/test-clock.ts";
import { until } from "../support/until.ts";

/** The pool of an outbox, which a test may take away. */
function breakable(pool: Pool) {
  const state = { failure: null as { readonly ok: false; readonly failure: DbFailure } | null };
  const breaks: Pool = {
    ...pool,
    run: async <Row>(text: string, params?: readonly Param[], options?: RunOptions): Promise<DbResult<Row>> => {
      return state.failure ?? pool.run<Row>(text, params, options);
    },
  };
  return { state, pool: breaks };
}

async function rig(t: TestContext) {
  const test = await testOutbox(t, 18);
  const { state, pool } = breakable(test.pool);
  const log = keptLogger();
  const link = fakeLink();
  const clock = testClock();
  const told = {
    offered: [] as { readonly messages: readonly LeasedMessage[]; readonly probe: boolean }[],
    shares: [] as number[],
    started: [] as string[],
    probing: true,
  };
  const troubles = new Troubles({ clock, logger: log.logger });
  const outbox = new PostgresOutbox({
    ...{ pool, clock, troubles, owner: "one", leaseMs: 15_000, idempotencyWindowMs: 86_400_000 },
    retentionMs: 7 * 86_400_000,
    failedMessages: { failed: () => undefined },
  });
  const level = new WaitingLevel(100);
  const database = new DatabaseHealth({ clock, logger: log.logger });
  const dispatcher = {
    offer: (rows: readonly LeasedMessage[], _leaseEndsAt: number, probe: boolean) =>
      void told.offered.push({ messages: rows, probe }),
    shareWindow: (replicas: number) => void told.shares.push(replicas),
    roomForTrials: 100,
    resume: () => undefined,
  };
  const gate = {
    get open() {
      return told.probing;
    },
  };
  const { logger } = log;
  const works = [
    new Expiry(outbox, logger),
    new Counter(outbox, level, database),
    new Prober({
      ...{ outbox, dispatcher, destinations: dispatcher, gate, clock, leaseMs: 15_000 },
      doorbell: { ringForKnownRows: () => undefined },
    }),
    new Retention(outbox, logger),
    new ReplicaCount(outbox, dispatcher),
    new HealthCheck({ level, link, logger, clock, oldWaitingMs: 60_000 }),
  ];
  const janitor = new Janitor(works, troubles, { followRole: (name) => void told.started.push(name) });
  /** Starts one role. It works immediately, and again on request. */
  const run = (name: string) => {
    const role = janitor.roles.find((one) => one.name === name);
    if (role === undefined) throw new Error(`no role ${name}`);
    const abort = new AbortController();
    const ended = role.run(abort.signal);
    t.after(async () => {
      abort.abort();
      await ended;
    });
    return role;
  };
  return { ...test, state, log, link, clock, level, database, told, janitor, run };
}

async function insert({ pool }: TestOutbox, rows: ReturnType<typeof messages>): Promise<void> {
  const result = await insertMessages(pool, rows, INSERT);
  assert.equal(result.ok, true);
}

test("LEVEL-1: full is the last count and what was accepted since", async (t) => {
  const { level, run, ...outbox } = await rig(t);
  assert.equal(level.isFull(1_000_000), false);
  await insert(outbox, messages(90));
  level.accept(90);
  const counter = run("counter");
  await until(() => level.waiting === 90, 5_000);
  assert.deepEqual([level.isFull(10), level.isFull(11)], [false, true]);
  level.accept(5);
  assert.deepEqual([level.isFull(5), level.isFull(6)], [false, true]);
  await outbox.sql("update publisher.message_delivery set state = 'acknowledged', due_at = null");
  counter.now();
  await until(() => level.waiting === 0, 5_000);
  assert.deepEqual([level.isFull(100), level.isFull(101)], [false, true]);
});

test("whether the database is there is known within a second, both ways", async (t) => {
  const { level, database, state, run } = await rig(t);
  const counter = run("counter");
  await until(() => level.waiting === 0, 5_000);
  state.failure = AWAY;
  counter.now();
  await until(() => !database.isUp(), 2_000);
  // Several looks fail; the next one is a second away all the same.
  for (let look = 0; look < 5; look++) {
    const before = counter.actor?.getSnapshot().context.runs ?? 0;
    counter.now();
    await until(() => (counter.actor?.getSnapshot().context.runs ?? 0) > before, 2_000);
  }
  state.failure = null;
  await until(() => database.isUp(), 1_500);
});

test("what has outlived its time expires", async (t) => {
  const { run, log, ...outbox } = await rig(t);
  await insert(outbox, [message({ ttlMs: 1 }), message({ ttlMs: 60_000 }), message()]);
  run("expiry");
  await until(async () => {
    const [row] = await outbox.sql<{ n: number }>(
      "select count(*)::int4 n from publisher.message_delivery where state = 'expired'",
    );
    return row?.n === 1;
  }, 10_000);
  assert.ok(log.messages().includes("messages expired"));
});

test("retention deletes the audit's old lines; each start of a role is reported to the observer of its actor", async (t) => {
  const { told, run, sql } = await rig(t);
  await sql(`insert into publisher.operator_action (at, who, action, messages)
    values (now() - interval '91 days', 'old', 'pause', 0), (now(), 'new', 'pause', 0)`);
  run("retention");
  await until(async () => (await sql("select who from publisher.operator_action")).length === 1, 10_000);
  assert.deepEqual(await sql("select who from publisher.operator_action"), [{ who: "new" }]);
  assert.deepEqual(told.started, ["retention"]);
});

test("parked destinations are probed by one message each while messages may be sent", async (t) => {
  const { told, run, ...outbox } = await rig(t);
  const rows = messages(3, () => ({ topic: "silent", leased: true }));
  await insert(outbox, rows);
  const parked = await park(
    outbox.pool,
    "silent",
    rows.map((row) => row.messageId),
    INSERT.instance,
  );
  assert.equal(parked.ok && parked.rows.length, 3);
  await outbox.sql("update publisher.destination set probe_at = now()");
  told.probing = false;
  const prober = run("prober");
  await until(() => (prober.actor?.getSnapshot().context.runs ?? 0) > 0, 5_000);
  assert.equal(told.offered.length, 0);
  told.probing = true;
  prober.now();
  await until(() => told.offered.length > 0, 5_000);
  assert.equal(told.offered[0]?.messages.length, 1);
  assert.equal(told.offered[0]?.probe, true);
});

test("replicas are counted by their signs of life, and forgotten when they are silent or stop", async (t) => {
  const { told, run, pool, sql } = await rig(t);
  await sql("insert into publisher.replica values ('two', now()), ('dead', now() - interval '1 minute')");
  const role = run("replicas");
  await until(() => told.shares.length === 1, 5_000);
  assert.equal((await releaseInstance(pool, "two")).ok, true);
  role.now();
  await until(() => told.shares.length === 2, 5_000);
  assert.deepEqual(told.shares, [2, 1]);
  assert.deepEqual(await sql("select owner from publisher.replica"), [{ owner: "one" }]);
});

test("health: old messages and a connection that carries nothing are worth a line", async (t) => {
  const { level, clock, link, log, run } = await rig(t);
  let sent = 1;
  const stats = () => ({ messagesSent: sent, messagesReceived: 0 });
  link.info = () => ({ state: link.state, stats: stats() }) as unknown as LinkInfo;
  const health = run("health");
  const look = async (): Promise<string[]> => {
    const before = health.actor?.getSnapshot().context.runs ?? 0;
    const lines = log.lines.length;
    health.now();
    await until(() => (health.actor?.getSnapshot().context.runs ?? 0) > before, 2_000);
    return log.messages().slice(lines);
  };
  await until(() => health.actor?.getSnapshot().value === "WAITING", 2_000);
  level.oldestWaitingMs = 60_001;
  assert.deepEqual(await look(), ["messages have been waiting longer than ACKTOR_OLD_WAITING"]);
  level.oldestWaitingMs = 60_000;
  clock.at = 299_999;
  assert.deepEqual(await look(), []);
  clock.at = 300_000;
  assert.deepEqual(await look(), ["the MQTT connection carries no messages"]);
  clock.at = 599_999;
  assert.deepEqual(await look(), []);
  sent++;
  clock.at = 600_000;
  assert.deepEqual(await look(), []);
  link.state = "DISCONNECTED";
  clock.at = 2_000_000;
  assert.deepEqual(await look(), []);
});

test("all roles stop, twice and early too", async (t) => {
  const { janitor } = await rig(t);
  await Promise.all([janitor.stop(), janitor.stop()]);
});
