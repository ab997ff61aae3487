/** The schema `acker`. Its migrations lie next to `src` and `dist`, so one relative path fits both. */
import { fileURLToPath } from "node:url";
import { type MigrateResult, migrate } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";

export const INBOX_SCHEMA = {
  schema: "acker",
  directory: fileURLToPath(new URL("../../migrations", import.meta.url)),
} as const;

/** Makes or updates the schema `acker`. Safe while other services do the same. */
export function migrateInbox(pool: Pool): Promise<MigrateResult> {
  return migrate(pool, INBOX_SCHEMA);
}
