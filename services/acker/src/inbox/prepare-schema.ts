/** Makes the schema `acker` ready for the first message: applies or checks the migrations, then makes partitions. */
import type { MigrateFailure } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { InboxPrepared } from "./inbox.ts";
import { ensurePartitions } from "./keep-partitions.ts";
import { migrateInbox } from "./migrate-inbox.ts";

export interface SchemaParts {
  readonly pool: Pool;
  readonly migrates: boolean;
  readonly logger: Logger;
}

/** Waiting heals these; the others need a person. */
const PASSING: ReadonlySet<MigrateFailure["kind"]> = new Set(["unavailable", "busy"]);
const MISSING =
  "schema acker is missing or older than this acker, and ACKTOR_MIGRATE is off: migrate first, or start once without it";

export async function prepareSchema({ pool, migrates, logger }: SchemaParts): Promise<InboxPrepared> {
  const schema = migrates ? await applyMigrations(pool, logger) : await checkSchema(pool);
  if (!schema.ok) return schema;
  const made = await ensurePartitions(pool);
  // Without them messages go to the default partition: slower to clean, nothing worse.
  if (!made.ok)
    logger.warn(
      { why: made.failure.message, code: made.failure.code },
      "partitions could not be created; retrying later",
    );
  return schema;
}

async function applyMigrations(pool: Pool, logger: Logger): Promise<InboxPrepared> {
  const result = await migrateInbox(pool);
  if (result.ok) {
    if (result.applied.length > 0) logger.info({ applied: result.applied }, "schema acker migrated");
    return { ok: true };
  }
  const { kind, message, fix } = result.failure;
  return { ok: false, fault: `${message}. ${fix}`, isFinal: !PASSING.has(kind) };
}

async function checkSchema(pool: Pool): Promise<InboxPrepared> {
  const found = await pool.run<{ there: boolean }>("select to_regclass('acker.batch_lease') is not null as there");
  if (!found.ok) return { ok: false, fault: `PostgreSQL: ${found.failure.message}`, isFinal: false };
  return found.rows[0]?.there === true ? { ok: true } : { ok: false, fault: MISSING, isFinal: false };
}
