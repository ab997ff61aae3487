/** The services' roles when an owner migrates: everything they do works with the rows of their schema, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keepPartitions } from "@acktor/acker/inbox/keep-partitions";
import { configureOutbox } from "@acktor/publisher/outbox/configure-outbox";
import { dropOldPartitions, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { grantRights } from "@acktor/shared/db/grant";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { postgresVersions, testDatabase } from "../support/postgres.ts";
import { testRoles } from "../support/roles.ts";

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
      const settings = { defaultTtlMs: null, defaultMaxRetries: null, retentionMs: DAY_MS, destinationLevels: 0 };
      const configured = await configureOutbox(publisher, { ackPrefix: "a/b", presencePrefix: "c", ...settings });
      assert.ok(configured.ok, JSON.stringify(configured));
    });

    await t.test("the acker: messages, days that come and go", async () => {
      const before = await keepPartitions(acker, 30 * DAY_MS, new AbortController().signal);
      assert.ok(before.ok && before.made > 0, JSON.stringify(before));
      const old = new Date(Date.now() - 40 * DAY_MS).toISOString().slice(0, 10);
      const bounds = `from (acker.uuid_from('${old}')) to (acker.uuid_from('${old}'::timestamptz + interval '1 day'))`;
      await must(
        owner,
        `create table acker.inbox_${old.replaceAll("-", "")} partition of acker.inbox for values ${bounds}`,
      );
      const after = await keepPartitions(acker, 30 * DAY_MS, new AbortController().signal);
      assert.ok(after.ok && after.dropped.length === 1, JSON.stringify(after));
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

test("a role that is no plain name is a mistake of the caller", async (t) => {
  const { url } = await testDatabase(t);
  const pool = createPool({ url, size: 1, applicationName: "acktor-test-grants" });
  cleanUp(t, () => pool.stop());
  await assert.rejects(grantRights(pool, "/nowhere", 'x"; drop schema publisher'), /not a role name/);
});
