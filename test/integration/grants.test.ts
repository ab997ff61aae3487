/** The services' roles when an owner migrates: everything they do works with the rows of their schema, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keepPartitions } from "@acktor/acker/inbox/keep-partitions";
import { configureOutbox } from "@acktor/publisher/outbox/configure-outbox";
import { dropOldPartitions, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { grantRights } from "@acktor/shared/db/grant";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { testAcker, testBroker } from "../support/acker.ts";
import { cleanUp } from "../support/cleanup.ts";
import { postgresVersions, testDatabase } from "../support/postgres.ts";
import { testPublisher } from "../support/publisher.ts";
import { rows, testRoles } from "../support/roles.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;

async function must(pool: Pool, text: string): Promise<readonly Record<string, unknown>[]> {
  const answer = await pool.run<Record<string, unknown>>(text);
  assert.ok(answer.ok, `${text}: ${JSON.stringify(answer)}`);
  return answer.rows;
}

async function refused(pool: Pool, text: string): Promise<void> {
  const answer = await pool.run(text, [], { simple: true });
  assert.ok(!answer.ok, `${text} was allowed`);
  assert.equal(answer.failure.code, "42501", `${text}: ${answer.failure.message}`);
}

for (const version of postgresVersions()) {
  test(`rights of the services' roles, PostgreSQL ${version}`, async (t) => {
    const roles = await testRoles(t, version);
    const [owner, publisher, acker] = [roles.owner.pool, roles.publisher.pool, roles.acker.pool];

    await t.test("the publisher: messages, days that come and go, another prefix", async () => {
      const tomorrow = `message_delivery_${new Date(Date.now() + DAY_MS).toISOString().slice(0, 10).replaceAll("-", "")}`;
      await must(owner, `drop table publisher.${tomorrow}`);
      const made = await ensurePartitions(publisher);
      assert.ok(made.ok && made.value.done.length === 1, JSON.stringify(made));
      await must(owner, "select publisher.enqueue('sensors/1', 'x', deliver_at => now() + interval '1 day')");
      assert.equal((await must(publisher, "select from publisher.message_delivery")).length, 1);
      await must(owner, "select publisher.create_partition(current_date - 20)");
      const dropped = await dropOldPartitions(publisher, 7 * DAY_MS);
      assert.ok(dropped.ok && dropped.value.done.length === 1, JSON.stringify(dropped));
      const settings = {
        defaultTtlMs: null,
        defaultMaxRetries: null,
        defaultHoldMs: null,
        retentionMs: DAY_MS,
        destinationLevels: 0,
      };
      const configured = await configureOutbox(publisher, { ackPrefix: "a/b", presencePrefix: "c", ...settings });
      assert.ok(configured.ok, JSON.stringify(configured));
    });

    await t.test("the acker: messages, days that come and go", async () => {
      const before = await keepPartitions(acker, 30 * DAY_MS, new AbortController().signal);
      assert.ok(before.ok && (before.rows[0]?.made ?? 0) > 0, JSON.stringify(before));
      const old = new Date(Date.now() - 40 * DAY_MS).toISOString().slice(0, 10);
      const bounds = `from (acker.uuid_from('${old}')) to (acker.uuid_from('${old}'::timestamptz + interval '1 day'))`;
      await must(
        owner,
        `create table acker.inbox_${old.replaceAll("-", "")} partition of acker.inbox for values ${bounds}`,
      );
      const after = await keepPartitions(acker, 30 * DAY_MS, new AbortController().signal);
      assert.ok(after.ok && after.rows[0]?.dropped.length === 1, JSON.stringify(after));
      await must(acker, "select count(*) from acker.inbox");
    });

    await t.test(
      "neither reads the other's rows, makes or changes tables, or writes the list of migrations",
      async () => {
        await refused(publisher, "select 1 from acker.inbox");
        await refused(acker, "select 1 from publisher.message_delivery");
        for (const [pool, schema] of [
          [publisher, "publisher"],
          [acker, "acker"],
        ] as const) {
          await refused(pool, `create table ${schema}.mine ()`);
          await refused(pool, `update ${schema}.migration set checksum = ''`);
          await refused(pool, `create schema mine`);
        }
        await refused(publisher, "alter table publisher.message_delivery disable trigger all");
        await refused(publisher, "drop table publisher.message_delivery");
        await refused(acker, "drop table acker.inbox");
      },
    );
  });
}

/** Both services with the roles that an owner made for them: what each of their statements needs, they have. */
for (const version of postgresVersions()) {
  test(`both services run under their roles, PostgreSQL ${version}`, async (t) => {
    const { publisher: ours, acker: theirs, owner } = await testRoles(t, version);
    const broker = await testBroker(t);
    const common = { MQTT_URL: broker.url, ACKTOR_MIGRATE: "off" };
    const publisher = await testPublisher(t, { ...common, DATABASE_URL: ours.url, ACKTOR_MAX_RETRIES: "2" });
    const acker = await testAcker(t, { ...common, DATABASE_URL: theirs.url });
    const reaches = (id: string, state: string): Promise<unknown> =>
      until(async () => (await publisher.state(id)) === state, 10_000, `${id} to be ${state}`);
    const send = (over: object): Promise<string> => publisher.send({ topic: "data/1", content: "x", ...over });
    const key = { ordering_key: "k" };
    const ids = [await send({}), await send(key), await send({ ...key, retain: true }), await send({ qos: 2 })];
    const [enqueued] = await rows<{ id: string }>(owner, "select publisher.enqueue('data/2', 'x') id");
    for (const id of [...ids, enqueued?.id ?? ""]) await reaches(id, "acknowledged");
    const lost = await send({ topic: "elsewhere/2", ttl_seconds: 0.001 });
    await reaches(lost, "expired");
    const aside = await send({ topic: "elsewhere/1" });
    const done = async (route: string, body: object): Promise<void> => {
      const { status, text } = await publisher.ask("POST", route, body);
      assert.ok(status < 300, `${route}: ${text}`);
    };
    await done(`/v1/messages/${aside}/cancel`, {});
    await reaches(aside, "failed");
    await done(`/v1/messages/${aside}/replay`, {});
    await done(`/v1/messages/${aside}/acknowledge`, {});
    await reaches(aside, "acknowledged");
    await done(`/v1/messages/${lost}/replay`, {});
    for (const route of ["stats", "status", "audit", "messages", "destinations", "dead-letters", `messages/${aside}`]) {
      const { status, text } = await publisher.ask("GET", `/v1/${route}`);
      assert.ok(status === 200 || status === 404, `${route}: ${text}`);
    }
    const complaints = [...publisher.log, ...acker.log.map((line) => JSON.stringify(line))].filter((line) =>
      /42501|permission denied/.test(line),
    );
    assert.deepEqual(complaints, []);
  });
}

test("a role that is no plain name is a mistake of the caller", async (t) => {
  const { url } = await testDatabase(t);
  const pool = createPool({ url, size: 1, applicationName: "acktor-test-grants" });
  cleanUp(t, () => pool.stop());
  await assert.rejects(grantRights(pool, "/nowhere", 'x"; drop schema publisher'), /not a role name/);
});
