/** What the database may answer, as values. */
import type { DbFailure, DbResult } from "@acktor/shared/db/pool";

export function rows<Row>(...all: Row[]): DbResult<Row> {
  return { ok: true, rows: all };
}

/** The database is unreachable. */
export const AWAY: { readonly ok: false; readonly failure: DbFailure } = {
  ok: false,
  failure: { kind: "unavailable", maybeCommitted: true, code: "ECONNREFUSED", message: "away", constraint: null },
};

/** The database rejects the statement. */
export const REFUSED: { readonly ok: false; readonly failure: DbFailure } = {
  ok: false,
  failure: { kind: "rejected", maybeCommitted: false, code: "22003", message: "no", constraint: null },
};
