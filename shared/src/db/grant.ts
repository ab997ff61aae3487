/**
 * Gives a service's role its rights, and no more: `grants.sql` next to the service's migrations, run by the schema's owner.
 * It is one implicit transaction: the role gets all of the rights, or keeps its earlier ones.
 */
import { readFile } from "node:fs/promises";
import type { DbResult, Pool } from "./pool.ts";

const ROLE_NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/**
 * @param file path of a `grants.sql`
 * @param role an existing role; throws for a name that is not plain
 */
export async function grantRights(pool: Pool, file: string, role: string): Promise<DbResult<never>> {
  if (!ROLE_NAME.test(role)) throw new Error(`not a role name: ${role}`);
  const text = await readFile(file, "utf8");
  return pool.run<never>(text.replaceAll(":role", `"${role}"`), [], { simple: true, deadlineMs: 60_000 });
}
