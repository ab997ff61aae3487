/**
 * Why a batch was not stored: because of the database, or because of one of its messages (SQLSTATE classes: PostgreSQL,
 * appendix A).
 */
import type { DbFailure } from "@acktor/shared/db/pool";

export type Blame =
  /** The database or its state; the same batch is retried. */
  | { readonly kind: "database" }
  /** One message of the batch. */
  | { readonly kind: "message"; readonly reason: string; readonly retryable: boolean };

/** 25 wrong state, 28 login, 3D/3F/42 schema or rights, 40 conflict, 53 resources, 55 locks, 57 stopped, 58 system. */
const DATABASE = /^(08|25|28|3D|3F|40|42|53|55|57|58)/;

/** SQLSTATE classes caused by the message itself; retrying cannot help. */
const HOPELESS: Readonly<Record<string, string>> = {
  "22": "data that PostgreSQL cannot hold",
  "23": "a constraint of the inbox is violated",
  "54": "larger than PostgreSQL allows",
};

export function judgeFailure(failure: DbFailure): Blame {
  if (failure.kind !== "rejected" || DATABASE.test(failure.code)) return { kind: "database" };
  const why = HOPELESS[failure.code.slice(0, 2)];
  const reason = `not stored: ${why ?? "the database refused it"} (SQLSTATE ${failure.code})`;
  return { kind: "message", reason, retryable: why === undefined };
}
