/**
 * Counts dead letters (failed and expired, not discarded) by reason, for an operator who decides on a replay. Of each state
 * at most SCAN rows are read, the newest; `complete` tells whether that was all of them.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { allowedTopic, EVERY_TOPIC } from "../principals/topic-filters.ts";
import type { Outcome } from "./outbox.ts";

const SCAN = 50_000;
const GROUPS = 200;

export interface DeadLetterGroup {
  /** Null: expired, or failed without a reason. */
  readonly reason: string | null;
  readonly state: "failed" | "expired";
  readonly count: number;
  /** Creation of the oldest and of the newest, ISO 8601. */
  readonly oldest: string;
  readonly newest: string;
}

export interface DeadLetterGroups {
  readonly groups: readonly DeadLetterGroup[];
  readonly complete: boolean;
}

const newestOf = (
  state: string,
): string => `(select reason, state, created_at, discarded_at from publisher.message_delivery
  where state = '${state}' and ${allowedTopic("topic", 1)} order by message_id desc limit ${SCAN})`;

const COUNT = `with dead as materialized (${newestOf("failed")} union all ${newestOf("expired")}),
size as (select coalesce(max(n), 0) < ${SCAN} complete from (select count(*) n from dead group by state) s)
select reason, state, count(*)::int4 count, min(created_at) oldest, max(created_at) newest, (select complete from size)
from dead where discarded_at is null group by reason, state order by count(*) desc, state, reason limit ${GROUPS}`;

/** @param read topics that the caller may see @returns the largest group first */
export async function countDeadLetters(pool: Pool, read = EVERY_TOPIC): Promise<Outcome<DeadLetterGroups>> {
  const answer = await pool.run<DeadLetterGroup & { complete: boolean }>(COUNT, read.params());
  if (!answer.ok) return answer;
  const groups = answer.rows.map(({ complete: _, ...group }) => group);
  return { ok: true, value: { groups, complete: answer.rows[0]?.complete ?? true } };
}
