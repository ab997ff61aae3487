/** The schema `publisher`. `src` and `dist` have the same relative path to its migrations. */
import { fileURLToPath } from "node:url";
import { type MigrateResult, migrate } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";

export const OUTBOX_SCHEMA = {
  schema: "publisher",
  directory: fileURLToPath(new URL("../../migrations", import.meta.url)),
} as const;

/** Makes or updates the schema `publisher`. Safe while other services do the same. */
export function migrateOutbox(pool: Pool): Promise<MigrateResult> {
  return migrate(pool, OUTBOX_SCHEMA);
}
