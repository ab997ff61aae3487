/** From a database's failure, or a query's fault, to the fault that HTTP answers. */
import type { DbFailure } from "@acktor/shared/db/pool";
import { type ApiFault, databaseDown, databaseRefused } from "@acktor/shared/runtime/api-error";
import { stateOf } from "@acktor/shared/runtime/database-state";
import { printable } from "@acktor/shared/runtime/logger";
import type { z } from "zod";

/** Characters of a foreign name that an answer repeats. */
const NAMED = 100;

export function databaseFault(failure: DbFailure): ApiFault {
  const state = stateOf(failure);
  if (state !== null) return databaseDown(state, failure.code);
  if (failure.kind !== "rejected") {
    return { code: "database_unavailable", message: "PostgreSQL cannot be reached in time", retryAfterSeconds: 2 };
  }
  const { code } = failure;
  // A replay takes a new place in its lane.
  if (code === "55P03") return { code: "lane_locked", message: failure.message, retryAfterSeconds: 1 };
  return databaseRefused(code);
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
