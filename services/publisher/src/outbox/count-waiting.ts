/** How many messages wait, and since when: for the high-water mark and the warning about old messages. */
import type { Pool } from "@acktor/shared/db/pool";
import { isLive } from "./live-rows.ts";
import type { Outcome } from "./outbox.ts";

/** Counts pending and sent rows, at most `most`: the cost depends on `most`, not on how many wait. */
export async function countWaiting(pool: Pool, most: number): Promise<Outcome<number>> {
  const answer = await pool.run<{ waiting: number }>(
    `select count(*)::int4 waiting from (select from publisher.message_delivery m where ${isLive("m")} limit $1) w`,
    [most],
  );
  return answer.ok ? { ok: true, value: answer.rows[0]?.waiting ?? 0 } : answer;
}

const MOST_PARKED = 10_000;

/** Counts parked destinations, at most 10,000. */
export async function countParked(pool: Pool): Promise<Outcome<number>> {
  const answer = await pool.run<{ parked: number }>(
    `select count(*)::int4 parked from (select from publisher.destination where parked_at is not null limit ${MOST_PARKED}) p`,
  );
  return answer.ok ? { ok: true, value: answer.rows[0]?.parked ?? 0 } : answer;
}

export interface OldestWaiting {
  readonly messageId: string;
  readonly topic: string;
  /** Since creation, by the database's clock. */
  readonly ageMs: number;
}

/** The oldest message that waits, scheduled ones left out; null when none does. */
export async function oldestWaiting(pool: Pool): Promise<Outcome<OldestWaiting | null>> {
  const answer = await pool.run<OldestWaiting>(
    `select message_id as "messageId", topic, case when isfinite(created_at) then (extract(epoch from now() - created_at) * 1000)::float8 else 0 end as "ageMs"
from publisher.message_delivery m where ${isLive("m")} and coalesce(deliver_at <= now(), true) order by message_id limit 1`,
  );
  return answer.ok ? { ok: true, value: answer.rows[0] ?? null } : answer;
}
