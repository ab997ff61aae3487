/** The database's settings, for commands that need no other. */
import { EXIT, type Result } from "../exit.ts";
import type { Session } from "../session.ts";

export interface DatabaseAddress {
  readonly url: string;
  /** PEM, or null. */
  readonly ca: string | null;
}

/** `DATABASE_URL` and `DATABASE_CA` as a service would read them. */
export async function readDatabase({ env, texts }: Session): Promise<Result<DatabaseAddress>> {
  const [{ readConfig }, { publisherSettings, knownNames }] = await Promise.all([
    import("@acktor/shared/runtime/config"),
    import("@acktor/shared/runtime/settings"),
  ]);
  const { DATABASE_URL, DATABASE_CA } = publisherSettings;
  const read = readConfig({ DATABASE_URL, DATABASE_CA }, env, knownNames);
  if (read.ok) return { ok: true, value: { url: read.config.DATABASE_URL, ca: read.config.DATABASE_CA } };
  const message = read.faults.join("; ");
  return { ok: false, failure: { exit: EXIT.usage, code: "bad_config", message, fix: texts.config.databaseFix } };
}
