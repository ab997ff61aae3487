/** Marks messages failed that the publisher gives up: no retry left, quarantined, too large for the broker. */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows } from "./sql-arrays.ts";

/** `leaseToken` as text: only the current owner may give a message up. */
export interface Failure {
  readonly messageId: string;
  readonly leaseToken: string;
  readonly reason: string;
}

const FAIL = `with f as materialized (
  select distinct on (message_id) * from unnest($1::uuid[], $2::int8[], $3::text[]) f(message_id, token, reason) where ${planForFewRows("message_id")} order by message_id)
update publisher.message_delivery m
set state = 'failed', reason = f.reason, due_at = null, lease_owner = null, parked = false, updated_at = now()
from f where m.message_id = f.message_id and m.lease_token = f.token and m.state in ('pending', 'sent')
returning m.message_id as "messageId"`;

/** @returns the rows that were marked; the others have another owner, or have ended */
export function failMessages(
  pool: Pool,
  failures: readonly Failure[],
): Promise<DbResult<{ readonly messageId: string }>> {
  return runBatch(pool, FAIL, failures, [
    column(failures, (f) => f.messageId),
    column(failures, (f) => f.leaseToken),
    column(failures, (f) => f.reason),
  ]);
}
