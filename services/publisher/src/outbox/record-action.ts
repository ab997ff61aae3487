/**
 * Writes one line of the audit: what an operator asked of a service, and the outcome.
 *
 * Invariants:
 *  RECORD-1. A report is one line, however often it is received and by any publisher.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { AuditRecord } from "@acktor/shared/inspect/command-desk";

// RECORD-1: `on conflict`.
const RECORD = `insert into publisher.operator_action (who, action, origin, outcome, detail, messages, said, report)
values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8) on conflict (report) where report is not null do nothing`;

/** @param report nonce of the sealed report; null for what this publisher has executed itself */
export function recordAction(pool: Pool, record: AuditRecord, report: string | null = null): Promise<DbResult<never>> {
  const { who, said = null, action, from, outcome, service, instance, detail, messages } = record;
  const whole = storableJson({ service, instance, ...(typeof detail === "object" ? detail : { detail }) });
  const named = said === null ? null : storable(said);
  return pool.run<never>(RECORD, [
    storable(who),
    storable(action),
    storable(from),
    outcome,
    whole,
    messages,
    named,
    report,
  ]);
}

/** Foreign text as PostgreSQL keeps it. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\ufffd");
}

/** jsonb refuses NUL and halves of surrogate pairs; JSON has both as escapes, also in the names of members. */
function storableJson(value: object): string {
  return JSON.stringify(value).replace(/\\u(0000|d[89a-f][0-9a-f]{2})/gi, "\\ufffd");
}
