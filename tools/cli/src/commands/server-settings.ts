/** Single settings of the servers, for commands that need one and not a whole service's configuration. */
import { EXIT, type Result } from "../exit.ts";
import type { Session } from "../session.ts";

/** `DATABASE_URL` as a service would read it. */
export async function readDatabaseUrl({ env, texts }: Session): Promise<Result<string>> {
  const [{ readConfig }, { publisherSettings, knownNames }] = await Promise.all([
    import("@acktor/shared/runtime/config"),
    import("@acktor/shared/runtime/settings"),
  ]);
  const read = readConfig({ DATABASE_URL: publisherSettings.DATABASE_URL }, env, knownNames);
  if (read.ok) return { ok: true, value: read.config.DATABASE_URL };
  const message = read.faults.join("; ");
  return { ok: false, failure: { exit: EXIT.usage, code: "bad_config", message, fix: texts.config.databaseFix } };
}
