/** The database's settings, for commands that need no other. */
import type { DatabaseConfig } from "@acktor/shared/db/connector";
import { EXIT, type Result } from "../exit.ts";
import type { Session } from "../session.ts";

/** The settings of the database as a service would read them. */
export async function readDatabase({ env, texts }: Session): Promise<Result<DatabaseConfig>> {
  const [{ readConfig }, { publisherSettings, knownNames }] = await Promise.all([
    import("@acktor/shared/runtime/config"),
    import("@acktor/shared/runtime/settings"),
  ]);
  const { DATABASE_URL, DATABASE_CA, ACKTOR_DATABASE_POOLER } = publisherSettings;
  const read = readConfig({ DATABASE_URL, DATABASE_CA, ACKTOR_DATABASE_POOLER }, env, knownNames);
  if (read.ok) return { ok: true, value: read.config };
  const message = read.faults.join("; ");
  return { ok: false, failure: { exit: EXIT.usage, code: "bad_config", message, fix: texts.config.databaseFix } };
}
