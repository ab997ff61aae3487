/**
 * Releases leases: rows that were claimed and not sent are due again, for any publisher.
 *
 * Invariants:
 *  RELEASE-1. Only its owner (by token, or by name) releases a lease, and an attempt that was recorded keeps its due time.
 */
import type { DbResult, Pool } from "@acktor/shared/db/pool";
import type { Release } from "./outbox.ts";
import { runBatch } from "./run-batch.ts";
import { column, planForFewRows } from "./sql-arrays.ts";

const RELEASE = `with r as materialized (
  select distinct on (message_id) * from unnest($1::uuid[], $2::int8[], $3::float8[]) r(message_id, token, due_ms) where ${planForFewRows("message_id")} order by message_id)
update publisher.message_delivery m
set due_at = now() + r.due_ms * interval '1 millisecond', lease_owner = null, updated_at = now()
-- RELEASE-1
from r where m.message_id = r.message_id and m.lease_token = r.token and m.lease_owner is not null and m.due_at is not null
returning m.message_id as "messageId"`;

const RELEASE_INSTANCE = `with gone as (delete from publisher.replica where owner = $1)
update publisher.message_delivery m set due_at = now(), lease_owner = null, updated_at = now()
where m.lease_owner = $1 and m.due_at is not null returning m.message_id as "messageId"`;

/** Releases leases by token. @returns the rows of which this publisher still held the lease */
export function releaseLeases(
  pool: Pool,
  releases: readonly Release[],
): Promise<DbResult<{ readonly messageId: string }>> {
  return runBatch(pool, RELEASE, releases, [
    column(releases, (r) => r.messageId),
    column(releases, (r) => r.leaseToken),
    column(releases, (r) => r.dueInMs),
  ]);
}

/** Releases every lease of an instance, and its share of the in-flight window: the last step of a clean stop. */
export function releaseInstance(pool: Pool, instance: string): Promise<DbResult<{ readonly messageId: string }>> {
  return pool.run(RELEASE_INSTANCE, [instance]);
}
