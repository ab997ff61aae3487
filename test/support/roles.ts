/**
 * Every documented role on one database: the owner, who migrates and is no superuser; a role for each service with its
 * grants.sql; two applications with the grant of docs/how-to/enqueue-in-your-transaction.md; and a stranger without grants.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { grantRights } from "@acktor/shared/db/grant";
import { migrate } from "@acktor/shared/db/migrate";
import { createPool, type DbFailure, type Pool } from "@acktor/shared/db/pool";
import { cleanUp } from "./cleanup.ts";
import { type PostgresVersion, testDatabase } from "./postgres.ts";

export type RoleName = "admin" | "owner" | "publisher" | "acker" | "app" | "app2" | "stranger";
export const SCHEMAS = ["publisher", "acker"] as const;

export interface DatabaseRole {
  /** As in PostgreSQL. */
  readonly name: string;
  readonly url: string;
  readonly pool: Pool;
}

export type Roles = Readonly<Record<RoleName, DatabaseRole>>;

const root = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

/** A migrated database and its roles. Both are dropped after the test. */
export async function testRoles(t: TestContext, version: PostgresVersion): Promise<Roles> {
  const { url, name } = await testDatabase(t, { version });
  const admin = roleAt(t, url, decodeURIComponent(new URL(url).username));
  const make = (kind: RoleName): Promise<DatabaseRole> => makeRole(t, admin, kind);
  const owner = await make("owner");
  await rows(admin, `grant create on database ${name} to ${owner.name}`);
  for (const schema of SCHEMAS) {
    const migrated = await migrate(owner.pool, { schema, directory: root(`services/${schema}/migrations`) });
    assert.ok(migrated.ok, JSON.stringify(migrated));
  }
  const [publisher, acker] = [await make("publisher"), await make("acker")];
  for (const [schema, role] of [["publisher", publisher] as const, ["acker", acker] as const]) {
    // Applied twice, because every start applies it again.
    for (let times = 0; times < 2; times++) {
      const granted = await grantRights(owner.pool, root(`services/${schema}/grants.sql`), role.name);
      assert.ok(granted.ok, JSON.stringify(granted));
    }
  }
  const [app, app2] = [await make("app"), await make("app2")];
  for (const { name } of [app, app2]) await grantAsDocumented(owner.pool, name);
  return { admin, owner, publisher, acker, app, app2, stranger: await make("stranger") };
}

async function makeRole(t: TestContext, admin: DatabaseRole, kind: RoleName): Promise<DatabaseRole> {
  const name = `${kind}_${randomBytes(6).toString("hex")}`;
  const password = randomBytes(6).toString("hex");
  await rows(admin, `create role ${name} login password '${password}'`);
  cleanUp(t, () => admin.pool.run(`drop owned by ${name} cascade; drop role ${name}`, [], { simple: true }));
  const address = new URL(admin.url);
  [address.username, address.password] = [name, password];
  return roleAt(t, address.href, name);
}

function roleAt(t: TestContext, url: string, name: string): DatabaseRole {
  const pool = createPool({ url, size: 3, applicationName: `acktor-test-${name.split("_")[0]}`, deadlineMs: 20_000 });
  cleanUp(t, () => pool.stop());
  return { name, url, pool };
}

/** The statements of the page, as an application's owner runs them. */
async function grantAsDocumented(owner: Pool, role: string): Promise<void> {
  const page = await readFile(root("docs/how-to/enqueue-in-your-transaction.md"), "utf8");
  const [, block = ""] = /```sql\n(grant [^`]+)```/.exec(page) ?? [];
  assert.match(block, /to app;/, "the page has its block of grants");
  const granted = await owner.run(block.replaceAll(/\bto app;/g, `to ${role};`), [], { simple: true });
  assert.ok(granted.ok, JSON.stringify(granted));
}

export async function rows<Row = Record<string, unknown>>(
  role: DatabaseRole,
  text: string,
  params: readonly (string | number | boolean | null)[] = [],
): Promise<readonly Row[]> {
  const answer = await role.pool.run<Row>(text, params);
  assert.ok(answer.ok, `${role.name}: ${text}: ${JSON.stringify(answer)}`);
  return Array.from(answer.rows);
}

/** PostgreSQL's error for a statement that it must refuse. */
export async function refusal(role: DatabaseRole, text: string): Promise<DbFailure> {
  const answer = await role.pool.run(text, [], { simple: true });
  assert.ok(!answer.ok, `${role.name} was allowed: ${text}`);
  return answer.failure;
}

/** A `refusal` for a missing right. */
export async function isForbidden(role: DatabaseRole, text: string): Promise<void> {
  const { code, message } = await refusal(role, text);
  assert.equal(code, "42501", `${role.name}: ${text}: ${message}`);
}
