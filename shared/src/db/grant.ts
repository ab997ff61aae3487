/**
 * Gives a service's role its rights, and no more: `grants.sql` beside the service's migrations, run by the schema's owner.
 *
 * Invariant: one implicit transaction, as a migration: all of the rights, or those of before.
 */
import { readFile } from "node:fs/promises";
import type { DbResult, Pool } from "./pool.ts";

const ROLE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * @param file path of a `grants.sql`
 * @param role an existing role; throws when it is no plain name
 */
export async function grantRights(pool: Pool, file: string, role: string): Promise<DbResult<never>> {
  if (!ROLE_NAME.test(role)) throw new Error(`not a role name: ${role}`);
  const text = await readFile(file, "utf8");
  return pool.run<never>(text.replaceAll(":role", `"${role}"`), [], { simple: true, deadlineMs: 60_000 });
}
