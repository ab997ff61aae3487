/** What must be there before the first message: PostgreSQL, the schema, today's partition. Waits for what may come. */
import type { MigrateFailure } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";
import type { Logger } from "@acktor/shared/runtime/logger";
import { pause } from "@acktor/shared/runtime/pause";
import type { Prepared } from "@acktor/shared/runtime/supervisor-machine";
import type { DatabaseWatch } from "./database-watch.ts";
import { ensurePartitions } from "./inbox/keep-partitions.ts";
import { migrateInbox } from "./inbox/migrate-inbox.ts";

export interface PrepareOptions {
  readonly pool: Pool;
  readonly database: DatabaseWatch;
  readonly migrates: boolean;
  readonly random: () => number;
  readonly logger: Logger;
}

/** Waiting heals these; the others want a person. */
const PASSING: ReadonlySet<MigrateFailure["kind"]> = new Set(["unavailable", "busy"]);

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;

/** Resolves when the inbox can be used, or with the fault that keeps it from ever being; early when aborted. */
export async function prepareInbox(options: PrepareOptions, signal: AbortSignal): Promise<Prepared> {
  const { random, logger } = options;
  let said = "";
  for (let tries = 0; ; tries++) {
    const hurdle = await tryOnce(options);
    if (hurdle === null) return { ok: true };
    if (hurdle.isFinal) return { ok: false, fault: hurdle.text };
    if (said !== hurdle.text) logger.warn({ why: hurdle.text }, "not started yet; trying again");
    said = hurdle.text;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, 10)) * (0.5 + random() / 2);
    if (!(await pause(wait, signal))) return { ok: false, fault: "stopped before it had started" };
  }
}

interface Hurdle {
  readonly text: string;
  readonly isFinal: boolean;
}

async function tryOnce({ pool, database, migrates, logger }: PrepareOptions): Promise<Hurdle | null> {
  if (!(await database.probe())) return { text: `PostgreSQL: ${database.fault() ?? "no answer"}`, isFinal: false };
  const hurdle = migrates ? await applyMigrations(pool, logger) : await checkSchema(pool);
  if (hurdle !== null) return hurdle;
  const kept = await ensurePartitions(pool);
  // Without them messages go to the default partition: slower to clean, nothing worse.
  if (!kept.ok) logger.warn({ why: kept.failure.message, code: kept.failure.code }, "no partitions made; later again");
  return null;
}

async function applyMigrations(pool: Pool, logger: Logger): Promise<Hurdle | null> {
  const result = await migrateInbox(pool);
  if (result.ok) {
    if (result.applied.length > 0) logger.info({ applied: result.applied }, "schema acker migrated");
    return null;
  }
  const { kind, message, fix } = result.failure;
  return { text: `${message}. ${fix}`, isFinal: !PASSING.has(kind) };
}

async function checkSchema(pool: Pool): Promise<Hurdle | null> {
  const found = await pool.run<{ there: boolean }>("select to_regclass('acker.batch_lease') is not null as there");
  if (!found.ok) return { text: `PostgreSQL: ${found.failure.message}`, isFinal: false };
  if (found.rows[0]?.there === true) return null;
  const text =
    "schema acker is missing or older than this acker, and ACKTOR_MIGRATE is off: migrate first, or start once without it";
  return { text, isFinal: false };
}
