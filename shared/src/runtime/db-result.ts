/** The result of a statement, as every part receives it: rows, or a failure. Nothing throws for what a database can do. */

/** Why a statement gave no rows. */
export interface DbFailure {
  /**
   *  - `unavailable`: the database could not be reached, or is out of disk or memory, or the connection ended or the
   *    deadline passed. If the statement writes, it may have been committed (`maybeCommitted`): statements are idempotent, or are re-read.
   *  - `busy`: too many statements wait already; nothing was sent.
   *  - `rejected`: PostgreSQL answered with an error; nothing was changed.
   */
  readonly kind: "unavailable" | "busy" | "rejected";
  readonly maybeCommitted: boolean;
  /** SQLSTATE, or the driver's code. */
  readonly code: string;
  readonly message: string;
  /** Name of the violated constraint, where there is one. */
  readonly constraint: string | null;
}

export type DbResult<Row> =
  | { readonly ok: true; readonly rows: readonly Row[] }
  | { readonly ok: false; readonly failure: DbFailure };
