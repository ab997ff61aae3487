/** `acktor migrate`: brings both schemas up to date, as the services do when they start. */
import type { MigrateFailure } from "@acktor/shared/db/migrate";
import type { Pool } from "@acktor/shared/db/pool";
import type { z } from "zod";
import { EXIT, type ExitCode, type Result } from "../exit.ts";
import type { migrateOutput } from "../outputs.ts";
import type { Session } from "../session.ts";
import { readDatabase } from "./server-settings.ts";
import { migrationsOf, SERVICES, type ServiceName } from "./services.ts";

export interface MigrateOptions {
  readonly schema?: ServiceName;
  readonly dryRun?: boolean;
}

type Migrated = z.infer<typeof migrateOutput>["schemas"][number];

export async function migrateSchemas(session: Session, { schema, dryRun = false }: MigrateOptions): Promise<ExitCode> {
  const { texts } = session;
  const database = await readDatabase(session);
  if (!database.ok) return session.fail(database.failure);
  const [{ createPool }, { connectionOptions }] = await Promise.all([
    import("@acktor/shared/db/pool"),
    import("@acktor/shared/db/connector"),
  ]);
  const pool = createPool({ ...connectionOptions(database.value, "acktor-cli"), size: 1, deadlineMs: 10_000 });
  try {
    const schemas: Migrated[] = [];
    for (const service of schema === undefined ? SERVICES : [schema]) {
      const done = await migrateOne(pool, service, dryRun);
      if (!done.ok) return session.fail(done.failure);
      schemas.push(done.value);
    }
    return session.answer({ dry_run: dryRun, schemas }, () =>
      schemas.map((done) => texts.migrate.done(done.schema, dryRun ? done.pending : done.applied, dryRun)).join("\n"),
    );
  } finally {
    await pool.stop();
  }
}

async function migrateOne(pool: Pool, service: ServiceName, dryRun: boolean): Promise<Result<Migrated>> {
  const { migrate, pendingMigrations } = await import("@acktor/shared/db/migrate");
  const options = await migrationsOf(service);
  if (dryRun) {
    const found = await pendingMigrations(pool, options);
    return found.ok
      ? { ok: true, value: { schema: service, applied: [], pending: [...found.pending] } }
      : failed(found.failure);
  }
  const done = await migrate(pool, options);
  return done.ok
    ? { ok: true, value: { schema: service, applied: [...done.applied], pending: [] } }
    : failed(done.failure);
}

function failed({ kind, message, fix }: MigrateFailure): Result<never> {
  const exit = kind === "unavailable" || kind === "busy" ? EXIT.away : EXIT.failed;
  return { ok: false, failure: { exit, code: kind, message, fix } };
}
