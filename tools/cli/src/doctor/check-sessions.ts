/** How acktor reaches PostgreSQL: directly or through a pooler, under its own settings, and who holds locks of the outbox. */
import { OLD_LOCKS, type OldLock } from "@acktor/publisher/outbox/old-locks";
import { STATEMENT_SETTINGS } from "@acktor/shared/db/session-settings";
import { printable } from "../terminal/printable.ts";
import { ok, warn } from "./check.ts";
import { databaseCheck } from "./database-check.ts";

interface SettingRow {
  readonly name: string;
  readonly value: string;
  /** A statement with this text is prepared: the session is ours alone. */
  readonly prepared: boolean;
}

/** Compared as text. The others are shown in other units, depend on the version, or are set by the beginning transaction. */
const COMPARED = Object.keys(STATEMENT_SETTINGS).filter((name) => !/timeout$|pruning$|isolation$/.test(name));

export const SESSIONS = databaseCheck<SettingRow>({
  id: "sessions",
  question: `/* doctor: sessions */ select name, setting as value,
    exists (select from pg_prepared_statements where statement like '%doctor: sessions%') prepared
    from pg_settings where name in (${COMPARED.map((name) => `'${name}'`).join(", ")})`,
  judge(rows, { texts }) {
    const found = rows[0]?.prepared === true ? texts.sessionsDirect : texts.sessionsPooled;
    const lost = rows.filter(({ name, value }) => value !== STATEMENT_SETTINGS[name]).map(({ name }) => name);
    const data = { prepared: rows[0]?.prepared === true, lost: lost.join(" ") };
    if (lost.length > 0) return warn("sessions", `${found}; ${lost.join(", ")}`, texts.sessionsFix, data);
    return ok("sessions", found, data);
  },
});

export const LOCKS = databaseCheck<OldLock>({
  id: "locks",
  question: OLD_LOCKS,
  judge(rows, { texts }) {
    const [oldest] = rows;
    if (oldest === undefined) return null;
    const found = texts.oldLock(printable(oldest.holder, 200), oldest.seconds, rows.length);
    return warn("locks", found, texts.oldLockFix, {
      locks: rows.length,
      holder: oldest.holder,
      seconds: oldest.seconds,
    });
  },
});
