/**
 * Whose fault is it that a batch was not stored? Decides between "again, later" and "one of these messages" (SQLSTATE
 * classes: PostgreSQL, appendix A).
 */
import type { DbFailure } from "@acktor/shared/db/pool";

export type Blame =
  /** The database or its state: nothing is wrong with the messages; wait and try the same again. */
  | { readonly kind: "database" }
  /** Some message of the batch; of a batch of one, this message. */
  | { readonly kind: "message"; readonly reason: string; readonly retryable: boolean };

/** 25 wrong state, 28 login, 3D/3F/42 schema or rights, 40 conflict, 53 resources, 55 locks, 57 stopped, 58 system. */
const DATABASE = /^(08|25|28|3D|3F|40|42|53|55|57|58)/;

/** What can never be stored, however often it is sent. */
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
