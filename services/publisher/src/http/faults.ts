/** From a database's failure, or a query's fault, to what HTTP answers. */
import type { DbFailure } from "@acktor/shared/db/pool";
import type { ApiFault } from "@acktor/shared/runtime/api-error";
import { printable } from "@acktor/shared/runtime/logger";
import type { z } from "zod";

/** Characters of a foreign name that an answer repeats. */
const NAMED = 100;

export function databaseFault(failure: DbFailure): ApiFault {
  if (failure.kind !== "rejected") {
    return { code: "database_unavailable", message: "PostgreSQL cannot be reached in time", retryAfterSeconds: 2 };
  }
  return { code: "internal", message: `the outbox refused the statement (SQLSTATE ${failure.code})` };
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: ApiFault };

/** Reads a query string or a small body; the first fault names its field. */
export function parseQuery<T>(schema: z.ZodType<T>, input: unknown): Parsed<T> {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return { ok: true, value: parsed.data };
  const issue = parsed.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const field = printable(issue.keys[0] ?? "", NAMED);
    return { ok: false, fault: { code: "unknown_field", field, message: `${field} is not known here` } };
  }
  const field = printable(issue?.path.map(String).join(".") || "body", NAMED);
  return {
    ok: false,
    fault: { code: "invalid_field", field, message: `${field} ${issue?.message ?? "is not valid"}` },
  };
}
