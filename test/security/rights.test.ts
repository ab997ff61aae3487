/**
 * Every right of every documented role, granted and not granted (RIGHTS-1 to RIGHTS-8 of the migrations).
 *
 * Two tables below list each role's rights; the lists of relations and functions come from the catalog, so that a new one without
 * an entry fails. Each right is read with has_*_privilege and exercised.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { insertMessages } from "@acktor/publisher/outbox/insert-messages";
import { dropOldPartitions, ensurePartitions } from "@acktor/publisher/outbox/partitions";
import { purgeActions } from "@acktor/publisher/outbox/purge-actions";
import { migrate } from "@acktor/shared/db/migrate";
import { createPool, type Pool } from "@acktor/shared/db/pool";
import { v7 as uuidv7 } from "uuid";
import { cleanUp } from "../support/cleanup.ts";
import { given, INSERT, message } from "../support/outbox.ts";
import { postgresVersions } from "../support/postgres.ts";
import {
  type DatabaseRole,
  isForbidden,
  type RoleName,
  type Roles,
  refusal,
  rows,
  SCHEMAS,
  testRoles,
} from "../support/roles.ts";
import { until } from "../support/until.ts";

const DAY_MS = 86_400_000;

/**
 * The rights of the two services' roles on each relation. Applications and strangers have none, the owner has all.
 * S select, I insert, U update, D delete; small: some columns only. Sequences: N nextval.
 */
const RELATIONS: Readonly<Record<string, { readonly publisher?: string; readonly acker?: string }>> = {
  "publisher.attempt_seq": { publisher: "N" },
  "publisher.delivery_acknowledgment": { publisher: "S" },
  "publisher.delivery_attempt": { publisher: "SI" },
  "publisher.destination": { publisher: "SIUD" },
  "publisher.further_acknowledgment": { publisher: "SI" },
  "publisher.idempotency": { publisher: "SIUD" },
  "publisher.message_delivery": { publisher: "SIu" },
  "publisher.message_seq": { publisher: "N" },
  "publisher.migration": { publisher: "S" },
  "publisher.operator_action": { publisher: "Si" },
  "publisher.operator_action_action_id_seq": {},
  "publisher.outbox": { publisher: "S" },
  "publisher.principal": { publisher: "SIUD" },
  "publisher.replica": { publisher: "SIUD" },
  "publisher.disk_probe": { publisher: "SID" },
  "publisher.tally": { publisher: "SI" },
  "acker.batch_gate": {},
  "acker.batch_lease": { acker: "SUD" },
  "acker.disk_probe": { acker: "SID" },
  "acker.inbox": { acker: "SIU" },
  "acker.migration": { acker: "S" },
};

/** Which roles, besides the owner, may call each function. `definer`: it works with the owner's rights. */
const FUNCTIONS: Readonly<Record<string, { readonly by: readonly RoleName[]; readonly definer?: true }>> = {
  "publisher.configure": { by: ["publisher"], definer: true },
  "publisher.content_bytes": { by: ["publisher"] },
  "publisher.covers": { by: ["publisher"] },
  "publisher.covers_until": { by: ["publisher"] },
  "publisher.advance_sequences": { by: ["publisher"], definer: true },
  "publisher.begin_adoption": { by: ["publisher"], definer: true },
  "publisher.create_partition": { by: ["publisher"], definer: true },
  "publisher.day_of": { by: ["publisher"] },
  "publisher.end_adoption": { by: ["publisher"], definer: true },
  "publisher.finish_adoption": { by: ["publisher"], definer: true },
  "publisher.keep_out": { by: ["publisher"], definer: true },
  "publisher.lock_days": { by: [] },
  "publisher.partition_bounds": { by: ["publisher"] },
  "publisher.tune_day": { by: [] },
  "publisher.validate_adoption": { by: ["publisher"], definer: true },
  "publisher.day_bound": { by: ["publisher"] },
  "publisher.delete_stragglers": { by: ["publisher"], definer: true },
  "publisher.destination_of": { by: ["publisher"] },
  "publisher.signature_key_id": { by: ["publisher"] },
  "publisher.drop_partition": { by: ["publisher"], definer: true },
  "publisher.enqueue": { by: ["app", "app2"], definer: true },
  "publisher.fence": { by: ["app", "app2"], definer: true },
  "publisher.guard_prefixes": { by: [] },
  "publisher.lock_holder": { by: ["publisher"] },
  "publisher.lock_lanes": { by: ["publisher"] },
  "publisher.message_state": { by: ["app", "app2"], definer: true },
  "publisher.partition_days": { by: ["publisher"] },
  "publisher.purge_actions": { by: ["publisher"], definer: true },
  "publisher.refuse_birth": { by: [] },
  "publisher.refuse_conflict": { by: ["publisher"] },
  "publisher.refuse_content": { by: [] },
  "publisher.refuse_engine_value": { by: [] },
  "publisher.refuse_field": { by: [] },
  "publisher.refuse_move": { by: [] },
  "publisher.refuse_reserved_topic": { by: [] },
  "publisher.retention": { by: ["publisher"] },
  "publisher.sum_up_tally": { by: ["publisher"], definer: true },
  "publisher.topic_fault": { by: ["publisher"] },
  "publisher.uuid_at": { by: [] },
  "publisher.uuid_v7": { by: [] },
  "publisher.wait_for_lane": { by: ["publisher"] },
  "acker.begin_batch": { by: ["acker"], definer: true },
  "acker.delete_old_rows": { by: ["acker"], definer: true },
  "acker.drop_old_inbox_partition": { by: ["acker"], definer: true },
  "acker.ensure_inbox_partitions": { by: ["acker"], definer: true },
  "acker.in_batches": { by: ["acker"], definer: true },
  "acker.refuse_inbox_change": { by: [] },
  "acker.require_leases": { by: ["acker"] },
  "acker.require_window": { by: [] },
  "acker.uuid_from": { by: [] },
};

const LIMITED: readonly RoleName[] = ["publisher", "acker", "app", "app2", "stranger"];

for (const version of postgresVersions()) {
  test(`rights of every role on every table and function, PostgreSQL ${version}`, async (t) => {
    const roles = await testRoles(t, version);
    await t.test("RIGHTS-3: relations, each with its entry", () => relations(roles));
    await t.test("relations, each right exercised", () => triedRelations(roles));
    await t.test("RIGHTS-1, RIGHTS-2: functions, each with its entry", () => functions(roles));
    await t.test("functions, each one that is not granted called", () => triedFunctions(roles));
    await t.test("no role makes, changes or drops anything", () => noDefinitions(roles));
  });

  test(`an application with the documented grant, PostgreSQL ${version}`, async (t) => {
    const roles = await testRoles(t, version);
    await t.test("enqueues, fences, and sees the state of its own messages only", () => ownMessages(roles));
    await t.test("is refused every destructive statement", () => refusedDestruction(roles));
    await t.test("RIGHTS-1: its search_path redirects no call", () => searchPath(roles));
  });

  test(`RIGHTS-4: the services' functions destroy no retained data, PostgreSQL ${version}`, async (t) => {
    const roles = await testRoles(t, version);
    await t.test("days inside the retention are not dropped, days far in the future are not created", () =>
      keptDays(roles),
    );
    await t.test("the audit is append-only, and its purge deletes only entries after their retention", () =>
      keptAudit(roles),
    );
    await t.test("RIGHTS-7: the inbox keeps its last hour", () => keptInbox(roles));
  });

  test(`RIGHTS-6: locks that strangers can take, PostgreSQL ${version}`, async (t) => {
    const roles = await testRoles(t, version);
    await t.test("RIGHTS-8: guessed lock keys block nothing", (s) => guessedLocks(s, roles));
    await t.test("a lane that stays locked ends in an error that names its holder; other lanes are not delayed", (s) =>
      heldLane(s, roles),
    );
    // MIGRATE-5
    await t.test("a held migration lock ends in a failure that names its holder", (s) => heldMigration(s, roles));
  });
}

test("RIGHTS-2: PUBLIC may not call a function of a later migration", async (t) => {
  const { owner, stranger } = await testRoles(t, postgresVersions().at(-1) ?? 18);
  const directory = await mkdtemp(path.join(os.tmpdir(), "acktor-test-"));
  cleanUp(t, () => rm(directory, { recursive: true, force: true }));
  await writeFile(
    path.join(directory, "0001_later.sql"),
    "create function later.answer() returns integer language sql as 'select 42'",
  );
  const migrated = await migrate(owner.pool, { schema: "later", directory });
  assert.ok(migrated.ok, JSON.stringify(migrated));
  await rows(owner, `grant usage on schema later to ${stranger.name}`);
  await isForbidden(stranger, "select later.answer()");
});

interface Relation {
  readonly name: string;
  readonly kind: "r" | "p" | "v" | "S";
}

/** Partitions are listed as `parent_YYYYMMDD` or `parent_default`. */
const RELATIONS_IN_CATALOG = `select n.nspname || '.' || c.relname name, c.relkind::text kind from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('publisher', 'acker') and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') order by 1`;
const PARTITION = /_(\d{8}|default)$/;

const TABLE_RIGHTS = { S: "select", I: "insert", U: "update", D: "delete" } as const;
const NEVER = ["truncate", "references", "trigger"] as const;

/** The rights of one role on one relation according to PostgreSQL, such as `SIu`. */
async function rightsOf(owner: DatabaseRole, role: string, { name, kind }: Relation): Promise<string> {
  if (kind === "S") {
    const [row] = await rows<Record<string, boolean>>(
      owner,
      "select has_sequence_privilege($1, $2, 'usage') n, has_sequence_privilege($1, $2, 'select') s, has_sequence_privilege($1, $2, 'update') u",
      [role, name],
    );
    return `${row?.["n"] ? "N" : ""}${row?.["s"] ? "S" : ""}${row?.["u"] ? "U" : ""}`;
  }
  let out = "";
  for (const [letter, right] of Object.entries(TABLE_RIGHTS)) {
    const some = right === "delete" ? "has_table_privilege" : "has_any_column_privilege";
    const [row] = await rows<{ all: boolean; some: boolean }>(
      owner,
      `select has_table_privilege($1, $2, '${right}') "all", ${some}($1, $2, '${right}') some`,
      [role, name],
    );
    out += row?.all ? letter : row?.some ? letter.toLowerCase() : "";
  }
  for (const right of NEVER) {
    const [row] = await rows<{ has: boolean }>(owner, `select has_table_privilege($1, $2, '${right}') has`, [
      role,
      name,
    ]);
    if (row?.has) out += `+${right}`;
  }
  return out;
}

function wanted(role: RoleName, relation: string): string {
  if (role !== "publisher" && role !== "acker") return "";
  return PARTITION.test(relation) ? "" : (RELATIONS[relation]?.[role] ?? "");
}

async function relations(roles: Roles): Promise<void> {
  const found = await rows<Relation>(roles.owner, RELATIONS_IN_CATALOG);
  const named = found.filter(({ name }) => !PARTITION.test(name)).map(({ name }) => name);
  assert.deepEqual(named.sort(), Object.keys(RELATIONS).sort(), "each relation of the schemas has its entry");
  const wrong: string[] = [];
  for (const relation of found) {
    for (const role of LIMITED) {
      const has = await rightsOf(roles.owner, roles[role].name, relation);
      if (has !== wanted(role, relation.name))
        wrong.push(`${role} has ${has || "nothing"} on ${relation.name}, not ${wanted(role, relation.name)}`);
    }
  }
  assert.deepEqual(wrong, []);
}

/** One statement for each right; none of them changes a row, whether it is allowed or not. */
function attempts({ name, kind }: Relation, column: string): readonly (readonly [right: string, text: string])[] {
  if (kind === "S") return [["N", `select nextval('${name}')`]];
  const reads = ["S", `select from ${name} limit 1`] as const;
  if (kind === "v") return [reads];
  return [
    reads,
    ["I", `insert into ${name} default values`],
    ["U", `update ${name} set ${column} = null where false`],
    ["D", `delete from ${name} where false`],
    ["T", `truncate ${name}`],
    ["L", `do 'begin lock table ${name} in access exclusive mode nowait; end'`],
  ];
}

async function triedRelations(roles: Roles): Promise<void> {
  const found = await rows<Relation & { column: string }>(
    roles.owner,
    `select r.*, (select attname from pg_attribute where attrelid = r.name::regclass and attnum > 0 and attgenerated = '' and attidentity = ''
       order by attname = 'due_at' desc, attnum limit 1) "column"
     from (${RELATIONS_IN_CATALOG}) r`,
  );
  for (const relation of found) {
    for (const role of LIMITED) {
      const rights = wanted(role, relation.name).toUpperCase();
      for (const [right, text] of attempts(relation, relation.column)) {
        // A role that may update or delete may also lock, as long as such a statement could.
        if (right === "L" && /[UD]/.test(rights)) continue;
        const answer = await roles[role].pool.run(text);
        const forbidden = !answer.ok && answer.failure.code === "42501";
        assert.equal(forbidden, !rights.includes(right), `${role}: ${text}: ${JSON.stringify(answer)}`);
      }
    }
  }
}

interface FunctionRow {
  readonly name: string;
  readonly identity: string;
  readonly definer: boolean;
  readonly settings: string | null;
  readonly open: boolean;
  readonly call: string;
}

/** `call`: with nulls from subqueries, because PostgreSQL evaluates a strict function of constants without checking the right. */
const FUNCTIONS_IN_CATALOG = `select n.nspname || '.' || p.proname name, p.oid::regprocedure::text identity, p.prosecdef definer,
  array_to_string(p.proconfig, ' ') settings,
  exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0) open,
  format('select %I.%I(%s)', n.nspname, p.proname, (select string_agg('(select null::' || format_type(type, null) || ')', ', ' order by at)
    from unnest(p.proargtypes) with ordinality a(type, at))) call
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('publisher', 'acker') order by 1`;

async function functions({ owner, ...roles }: Roles): Promise<void> {
  const found = await rows<FunctionRow>(owner, FUNCTIONS_IN_CATALOG);
  assert.deepEqual(
    found.map(({ name }) => name),
    Object.keys(FUNCTIONS).sort(),
    "each function of the schemas has its entry, and one signature",
  );
  const wrong: string[] = [];
  for (const { name, identity, definer, settings, open } of found) {
    const entry = FUNCTIONS[name];
    // MIGRATE-6
    if (open) wrong.push(`PUBLIC may execute ${name}`);
    if (definer !== (entry?.definer ?? false)) wrong.push(`${name} is ${definer ? "" : "not "}SECURITY DEFINER`);
    if (definer && !settings?.includes("search_path=pg_catalog, pg_temp"))
      wrong.push(`${name} has no fixed search_path`);
    for (const role of LIMITED) {
      const [row] = await rows<{ may: boolean }>(owner, "select has_function_privilege($1, $2, 'execute') may", [
        roles[role as Exclude<RoleName, "owner" | "admin">].name,
        identity,
      ]);
      const should = entry?.by.includes(role) ?? false;
      if (row?.may !== should) wrong.push(`${role} may ${should ? "not " : ""}execute ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
}

async function triedFunctions(roles: Roles): Promise<void> {
  for (const { name, call } of await rows<FunctionRow>(roles.owner, FUNCTIONS_IN_CATALOG)) {
    for (const role of LIMITED) {
      if (!FUNCTIONS[name]?.by.includes(role)) await isForbidden(roles[role], call);
    }
  }
}

async function noDefinitions(roles: Roles): Promise<void> {
  for (const role of LIMITED) {
    for (const schema of SCHEMAS) {
      await isForbidden(roles[role], `create table ${schema}.mine ()`);
      await isForbidden(roles[role], `create function ${schema}.mine() returns void language sql as ''`);
    }
    for (const text of [
      "create schema mine",
      "alter table publisher.message_delivery disable trigger all",
      "drop table publisher.message_delivery",
      "drop table acker.inbox",
      "alter function publisher.enqueue security invoker",
      "create trigger mine before insert on publisher.message_delivery for each row execute function suppress_redundant_updates_trigger()",
    ]) {
      await isForbidden(roles[role], text);
    }
  }
}

async function ownMessages({ owner, app, app2 }: Roles): Promise<void> {
  const [sent] = await rows<{ id: string }>(
    app,
    "select publisher.enqueue('orders/1', 'secret', fence => publisher.fence()) id",
  );
  const id = sent?.id ?? "";
  const mine = `select * from publisher.message_state('${id}')`;
  const [row] = await rows(app, mine);
  assert.deepEqual([row?.["state"], row?.["attempts"], row?.["acknowledged_at"]], ["pending", 0, null]);
  assert.deepEqual(await rows(app2, mine), [], "of another application's message nothing, not even that it is there");
  assert.deepEqual(await rows(app2, `select * from publisher.message_state('${uuidv7()}')`), []);
  assert.deepEqual(await rows(app2, "select * from publisher.message_state(null)"), []);
  const [stored] = await rows(owner, "select sender from publisher.message_delivery where message_id = $1", [id]);
  assert.deepEqual(stored, { sender: `sql:${app.name}` });
  await rows(
    owner,
    "update publisher.message_delivery set state = 'failed', due_at = null, reason = 'rejected: no' where message_id = $1",
    [id],
  );
  const [ended] = await rows(app, mine);
  assert.deepEqual([ended?.["state"], ended?.["reason"]], ["failed", "rejected: no"]);
  await isForbidden(app2, `set role ${app.name}`);
}

async function refusedDestruction({ owner, app, stranger }: Roles): Promise<void> {
  await rows(app, "select publisher.enqueue('orders/2', 'kept')");
  const [before] = await rows(owner, "select count(*)::int4 n from publisher.message_delivery");
  for (const role of [app, stranger]) {
    for (const text of [
      "select publisher.drop_partition(current_date)",
      "select publisher.drop_partition('2000-01-01')",
      "select publisher.guard_prefixes('x', 'y')",
      "insert into publisher.message_delivery (message_id, topic, payload, checksum) values (gen_random_uuid(), 'delivery/ack/x', '', '')",
      "select publisher.create_partition(current_date + d) from generate_series(1, 200) d",
      "select publisher.configure('x', 'y', null, null, 1, 0, null)",
      "select publisher.purge_actions()",
      "select publisher.delete_stragglers(interval '1 year', 1)",
      "select acker.drop_old_inbox_partition(interval '1 day')",
      "select topic, payload, lease_token from publisher.message_delivery",
      "select * from publisher.message_delivery_default",
      "copy publisher.message_delivery to stdout",
      "update publisher.message_delivery set state = 'acknowledged', due_at = null",
      "delete from publisher.operator_action",
      "truncate publisher.message_delivery cascade",
      "select * from publisher.outbox for update",
      "select setval('publisher.message_seq', 9223372036854775807)",
    ]) {
      await isForbidden(role, text);
    }
  }
  assert.deepEqual(await rows(owner, "select count(*)::int4 n from publisher.message_delivery"), [before]);
}

/** Functions with the names of everything that enqueue and message_state call; each reports its call. */
async function searchPath({ admin, app }: Roles): Promise<void> {
  await rows(admin, `create schema evil authorization ${app.name}`);
  const attack = `
    create function evil.caught() returns void language plpgsql as $$ begin raise exception 'caught as %', current_user; end $$;
    create function evil.octet_length(text) returns integer language sql as $$ select 0 from evil.caught() $$;
    create function evil.sha256(bytea) returns bytea language sql as $$ select $1 from evil.caught() $$;
    create function evil.md5(text) returns text language sql as $$ select $1 from evil.caught() $$;
    create function evil.starts_with(text, text) returns boolean language sql as $$ select false from evil.caught() $$;
    create function evil.differs(text, text) returns boolean language sql as $$ select false from evil.caught() $$;
    create operator evil.= (leftarg = text, rightarg = text, function = evil.differs);
    create operator evil.<> (leftarg = text, rightarg = text, function = evil.differs);
    create temp table message_delivery (x text);
    create temp table outbox (x text);
    create temp table pg_class (x text);
    set search_path = evil, pg_temp, pg_catalog, publisher;
    select publisher.enqueue('orders/3', 'x', ordering_key => 'k');
    select publisher.enqueue('orders/3', 'x', retain => true, fence => publisher.fence());
    select * from publisher.message_state('${uuidv7()}');`;
  const answer = await app.pool.run(attack, [], { simple: true });
  assert.ok(answer.ok, JSON.stringify(answer));
}

async function keptDays({ owner, publisher }: Roles): Promise<void> {
  const day = (days: number): string => `(now() at time zone 'UTC')::date + ${days}`;
  await rows(owner, "select publisher.create_partition(((now() at time zone 'UTC')::date - 9))");
  const dropping = async (what: string): Promise<void> => {
    const { code, message: why } = await refusal(publisher, `select publisher.drop_partition(${what})`);
    assert.deepEqual([code, /within the retention/.test(why)], ["22023", true], `${what}: ${why}`);
  };
  for (const days of [0, 1, -1, -6, 40]) await dropping(day(days));
  for (const odd of ["null", "'infinity'", "'9999-12-31'"]) await dropping(odd);
  await rows(owner, "select publisher.configure('delivery/ack', 'delivery/acker', null, null, $1, 0, null)", [1]);
  await dropping(day(0));
  await rows(owner, "select publisher.configure('delivery/ack', 'delivery/acker', null, null, $1, 0, null)", [
    30 * DAY_MS,
  ]);
  await dropping(day(-9));
  // A publisher with a shorter retention does not call the function.
  assert.deepEqual(given(await dropOldPartitions(publisher.pool, 7 * DAY_MS)), { done: [], waiting: [], full: [] });
  for (const far of [day(41), day(200), day(-71), "null", "'infinity'", "'-infinity'"]) {
    const { code, message: why } = await refusal(publisher, `select publisher.create_partition(${far})`);
    assert.deepEqual([code, /^day /.test(why)], ["22023", true], `${far}: ${why}`);
  }
  const keep = await refusal(publisher, "select publisher.delete_stragglers(interval '29 days', 10)");
  assert.deepEqual([keep.code, /^keep /.test(keep.message)], ["22023", true]);
  await rows(owner, "select publisher.configure('delivery/ack', 'delivery/acker', null, null, $1, 0, null)", [
    7 * DAY_MS,
  ]);
  const dropped = given(await dropOldPartitions(publisher.pool, 7 * DAY_MS));
  assert.equal(dropped.done.length, 1, "and what had its time goes");
}

async function keptAudit({ owner, publisher }: Roles): Promise<void> {
  const record = "insert into publisher.operator_action (who, action, messages)";
  await rows(publisher, `${record} values ('me', 'replay', 1), ('me', 'cancel', 1)`);
  for (const text of [
    "update publisher.operator_action set who = 'another'",
    "delete from publisher.operator_action",
    "truncate publisher.operator_action",
    "insert into publisher.operator_action (at, who, action, messages) values (now() - interval '1 year', 'me', 'replay', 1)",
    "insert into publisher.operator_action (action_id, who, action, messages) overriding system value values (1, 'me', 'replay', 1)",
    "update publisher.migration set checksum = ''",
    "update publisher.tally set messages = 0",
    "delete from publisher.tally",
  ]) {
    await isForbidden(publisher, text);
  }
  assert.deepEqual(given(await purgeActions(publisher.pool)), { deleted: 0, more: false });
  await rows(owner, "update publisher.operator_action set at = now() - interval '91 days' where action = 'replay'");
  assert.deepEqual(given(await purgeActions(publisher.pool)), { deleted: 1, more: false });
  assert.deepEqual(await rows(publisher, "select action from publisher.operator_action"), [{ action: "cancel" }]);
}

async function keptInbox({ acker }: Roles): Promise<void> {
  for (const keep of ["null", "interval '59 minutes'", "interval '-1 day'"]) {
    for (const call of [`acker.drop_old_inbox_partition(${keep})`, `acker.delete_old_rows(${keep}, 10)`]) {
      const { code, message: why } = await refusal(acker, `select ${call}`);
      assert.deepEqual([code, /^keep /.test(why)], ["22023", true], call);
    }
  }
  for (const ahead of ["null", "-1", "41", "2147483647"]) {
    assert.equal((await refusal(acker, `select acker.ensure_inbox_partitions(${ahead})`)).code, "22023");
  }
}

/** A separate session that holds its locks until it ends with the test. */
function session(t: TestContext, { url }: DatabaseRole): Pool {
  const pool = createPool({ url, size: 1, applicationName: "the-holder", deadlineMs: 30_000 });
  cleanUp(t, () => pool.stop());
  return pool;
}

async function guessedLocks(t: TestContext, { owner, publisher, acker, app, stranger }: Roles): Promise<void> {
  const holder = session(t, stranger);
  const held = await holder.run(
    `select pg_advisory_lock(7, hashtext(name)) from (values ('k:order-1'), ('r:' || md5('orders/1')), ('publisher.partitions')) v(name)
     union all select pg_advisory_lock(hashtextextended(name, 0)) from (values ('k:order-1'), ('order-1')) v(name)
     union all select pg_advisory_lock(1633907563, 3)`,
  );
  assert.ok(held.ok, JSON.stringify(held));
  await rows(owner, `drop table publisher.message_delivery_${compact(3)}`);
  const startedAt = performance.now();
  await rows(app, "select publisher.enqueue('orders/1', 'x', ordering_key => 'order-1')");
  await rows(app, "select publisher.enqueue('orders/1', 'x', retain => true)");
  const made = given(await ensurePartitions(publisher.pool));
  assert.deepEqual([made.done.length, made.waiting], [1, []]);
  const id = uuidv7();
  const [begun] = await rows(acker, `select acker.begin_batch('run', 0::int2, '{${id}}', interval '5 seconds') ok`);
  assert.deepEqual(begun, { ok: true });
  const [batched] = await rows(acker, `select live from acker.in_batches('{${id}}', 'another', 0::int2)`);
  assert.deepEqual(batched, { live: true });
  assert.ok(performance.now() - startedAt < 5_000, "nothing waited");
}

async function heldLane(t: TestContext, { admin, owner, publisher, app, app2 }: Roles): Promise<void> {
  const holder = session(t, app);
  const begun = holder.run(
    "begin; select publisher.enqueue('orders/9', 'x', ordering_key => 'held'); select pg_sleep(20); commit",
    [],
    { simple: true, deadlineMs: 30_000 },
  );
  const [pid] = await until(
    async () => {
      const found = await rows<{ pid: number }>(
        admin,
        "select pid from pg_stat_activity where application_name = 'the-holder' and query like '%pg_sleep%' and wait_event = 'PgSleep'",
      );
      return found.length > 0 && found;
    },
    10_000,
    "the transaction to hold its lane",
  );
  const names = new RegExp(
    `ordering_key "held" is locked by pid ${pid?.pid} \\(user ${app.name}, application the-holder\\)`,
  );
  const own = await refusal(
    app2,
    "set lock_timeout = '300ms'; select publisher.enqueue('o', 'x', ordering_key => 'held')",
  );
  assert.equal(own.code, "55P03");
  assert.match(own.message, names);
  // A missed deadline would have another code.
  const inserted = await insertMessages(publisher.pool, [message({ orderingKey: "held" })], {
    ...INSERT,
    deadlineMs: 1_500,
  });
  assert.ok(!inserted.ok && "failure" in inserted, JSON.stringify(inserted));
  assert.equal(inserted.failure.code, "55P03");
  assert.match(inserted.failure.message, names);
  await rows(app2, "select publisher.enqueue('o', 'x', ordering_key => 'another')");
  assert.ok((await insertMessages(publisher.pool, [message({ orderingKey: "a third" }), message()], INSERT)).ok);
  const limit = await rows(owner, "select publisher.wait_for_lane('k:free', 4711, interval '1 millisecond')");
  assert.equal(limit.length, 1, "a free lane is taken within the shortest limit");
  await rows(admin, "select pg_terminate_backend($1::int4)", [pid?.pid ?? 0]);
  assert.ok(!(await begun).ok);
  await rows(app2, "select publisher.enqueue('o', 'x', ordering_key => 'held')");
}

async function heldMigration(t: TestContext, { owner, stranger }: Roles): Promise<void> {
  const holder = session(t, stranger);
  assert.ok((await holder.run("select pg_advisory_lock(7, hashtext('migrate held'))")).ok);
  const directory = await mkdtemp(path.join(os.tmpdir(), "acktor-test-"));
  cleanUp(t, () => rm(directory, { recursive: true, force: true }));
  await writeFile(path.join(directory, "0001_one.sql"), "create table held.one ()");
  const migrated = await migrate(owner.pool, { schema: "held", directory, deadlineMs: 400 });
  assert.ok(!migrated.ok);
  assert.equal(migrated.failure.kind, "busy", "callers try again");
  assert.match(
    migrated.failure.message,
    new RegExp(`held by pid \\d+ \\(user ${stranger.name}, application the-holder\\)`),
  );
  await holder.stop();
  assert.ok((await migrate(owner.pool, { schema: "held", directory })).ok);
}

const compact = (days: number): string =>
  new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "");
