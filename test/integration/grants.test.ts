/** The services' roles when an owner migrates: everything they do works with the rows of their schema, and nothing else does. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { keepPartitions } from "@acktor/acker/inbox/keep-partitions";
import { configureOutbox } from "@acktor/publisher/outbox/configure-outbox";
import { dropOldPartitions, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { grantRights } from "@acktor/shared/db/grant";
import { migrate } from "@acktor/shared/db/migrate";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { cleanUp } from "../support/cleanup.ts";
import { postgresVersions, testDatabase } from "../support/postgres.ts";

const DAY_MS = 86_400_000;
const SERVICES = ["publisher", "acker"] as const;
type ServiceName = (typeof SERVICES)[number];

function poolOf(t: TestContext, url: string): Pool {
  const pool = createPool({ url, size: 2, applicationName: "acktor-test-grants" });
  cleanUp(t, () => pool.stop());
  return pool;
}

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

/** Both schemas by their owner, and a pool of each service's role. */
async function setUp(t: TestContext, version: 15 | 18): Promise<{ owner: Pool; roles: Record<ServiceName, Pool> }> {
  const { url } = await testDatabase(t, { version });
  const owner = poolOf(t, url);
  const make = async (service: ServiceName): Promise<Pool> => {
    const [role, password] = [`r_${randomBytes(6).toString("hex")}`, randomBytes(6).toString("hex")];
    const own = (name: string): string => fileURLToPath(new URL(`../../services/${service}/${name}`, import.meta.url));
    const migrated = await migrate(owner, { schema: service, directory: own("migrations") });
    assert.ok(migrated.ok, JSON.stringify(migrated));
    await must(owner, `create role ${role} login password '${password}'`);
    cleanUp(t, () => owner.run(`drop owned by ${role}; drop role ${role}`, [], { simple: true }));
    // Twice, as at each start.
    for (let times = 0; times < 2; times++) {
      const granted = await grantRights(owner, own("grants.sql"), role);
      assert.ok(granted.ok, JSON.stringify(granted));
    }
    const address = new URL(url);
    [address.username, address.password] = [role, password];
    return poolOf(t, address.href);
  };
  return { owner, roles: { publisher: await make("publisher"), acker: await make("acker") } };
}

for (const version of postgresVersions()) {
  test(`rights of the services' roles, PostgreSQL ${version}`, async (t) => {
    const { owner, roles } = await setUp(t, version);
    const { publisher, acker } = roles;

    await t.test("the publisher: messages, days that come and go, another prefix", async () => {
      const tomorrow = `message_delivery_${new Date(Date.now() + DAY_MS).toISOString().slice(0, 10).replaceAll("-", "")}`;
      await must(owner, `drop table publisher.${tomorrow}`);
      const made = await ensurePartitions(publisher);
      assert.ok(made.ok && made.value.done.length === 1, JSON.stringify(made));
      await must(publisher, "select publisher.enqueue('sensors/1', 'x', deliver_at => now() + interval '1 day')");
      await must(publisher, `select * from publisher.${tomorrow}`);
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

    await t.test("what works with the owner's rights cannot be led astray", async () => {
      const [definers] = await must(
        owner,
        `select count(*)::int4 n, bool_and(array_to_string(proconfig, ' ') like '%search_path=pg_catalog, pg_temp%') fenced
         from pg_proc where prosecdef and pronamespace::regnamespace::text in ('publisher', 'acker')`,
      );
      assert.deepEqual(definers, { n: 5, fenced: true });
      const [open] = await must(
        owner,
        `select count(*)::int4 n from pg_proc p where pronamespace::regnamespace::text in ('publisher', 'acker')
         and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) a where a.grantee = 0)`,
      );
      assert.deepEqual(open, { n: 0 }, "functions that everybody may call");
    });
  });
}

test("a role that is no plain name is a mistake of the caller", async (t) => {
  const { url } = await testDatabase(t);
  await assert.rejects(grantRights(poolOf(t, url), "/nowhere", 'x"; drop schema publisher'), /not a role name/);
});
