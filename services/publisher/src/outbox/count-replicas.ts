/**
 * The publishers of this outbox: each writes a sign of life and counts those of the others, to share the in-flight window.
 *
 * A hint, not a lock: while a replica that was killed is still counted, the others send a little less than they could.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

/** A replica that was silent for this long has stopped. Longer than three signs of life, shorter than a lease. */
const SILENCE_MS = 12_000;

const COUNT = `with me as (
  insert into publisher.replica (owner) values ($1) on conflict (owner) do update set seen_at = now()),
gone as (
  delete from publisher.replica where owner <> $1 and seen_at < now() - ${SILENCE_MS} * interval '1 millisecond')
select count(*)::int4 + 1 as replicas from publisher.replica
where owner <> $1 and seen_at >= now() - ${SILENCE_MS} * interval '1 millisecond'`;

/**
 * Says that `owner` lives.
 * @returns how many publishers live, this one included
 */
export async function countReplicas(pool: Pool, owner: string): Promise<Outcome<number>> {
  const answer = await pool.run<{ replicas: number }>(COUNT, [owner]);
  return answer.ok ? { ok: true, value: answer.rows[0]?.replicas ?? 1 } : answer;
}
