/** Rows that cannot be read, leased or written are marked failed, so that the others flow. An operator may replay them. */
import type { DbFailure, DbResult, Pool } from "@acktor/shared/db/pool";
import { printable } from "@acktor/shared/runtime/logger";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows } from "./sql-arrays.ts";

export interface Unreadable {
  readonly messageId: string;
  /** `unreadable: <SQLSTATE> <text>`. */
  readonly reason: string;
}

/** Of the text of PostgreSQL. */
const REASON_CHARACTERS = 160;

const SET_ASIDE = `with bad as materialized (
  select distinct on (message_id) * from unnest($1::uuid[], $2::text[]) b(message_id, reason) where ${planForFewRows("message_id")} order by message_id),
held as materialized (
  select m.message_id, b.reason from bad b join publisher.message_delivery m using (message_id)
  where ${planForFewRows("b.message_id")} and m.state in ('pending', 'sent') and (m.lease_owner is null or m.due_at <= now())
  order by m.message_id for update of m skip locked)
update publisher.message_delivery m
set state = 'failed', reason = h.reason, due_at = null, lease_owner = null, parked = false, updated_at = now()
from held h where m.message_id = h.message_id and ${planForFewRows("h.message_id")}
returning m.message_id as "messageId"`;

/** The reason of a row that is set aside. */
export function unreadable({ code, message }: Pick<DbFailure, "code" | "message">): string {
  return `unreadable: ${code} ${printable(message, REASON_CHARACTERS)}`;
}

/**
 * Marks rows failed that no publisher has leased.
 * @returns the rows that were marked; the others are locked, leased or have ended
 */
export function setAside(pool: Pool, rows: readonly Unreadable[]): Promise<DbResult<{ readonly messageId: string }>> {
  return runBatch(pool, SET_ASIDE, rows, [column(rows, (row) => row.messageId), column(rows, (row) => row.reason)]);
}
