/**
 * Transactions that wrote to the outbox long ago and have not ended: they hold the locks of their ordering keys, and keep
 * vacuum from removing what is finished. Prepared ones hold them until a person ends them.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

export interface OldLock {
  /** `pid 17 (user app, application shop)`, or `the prepared transaction "x"`. */
  readonly holder: string;
  readonly seconds: number;
}

const OLD = "interval '1 minute'";

/** One SELECT without parameters. A role that may not see another's times in pg_stat_activity misses that one. */
export const OLD_LOCKS = `select * from (
  select format('the prepared transaction "%s"', left(gid, 100)) holder, extract(epoch from now() - prepared)::int4 seconds
  from pg_prepared_xacts where database = current_database() and prepared < now() - ${OLD}
  union all
  select format('pid %s (user %s, application %s)', a.pid, coalesce(a.usename, '?'), coalesce(nullif(a.application_name, ''), '?')),
    extract(epoch from now() - a.xact_start)::int4
  from pg_stat_activity a where a.xact_start < now() - ${OLD} and a.pid in (
    select l.pid from pg_locks l where l.granted and l.mode = 'RowExclusiveLock'
      and l.relation = to_regclass('publisher.message_delivery')
      and l.database = (select oid from pg_database where datname = current_database()))) old
order by seconds desc limit 20`;

/** The oldest first. */
export async function readOldLocks(pool: Pool): Promise<Outcome<readonly OldLock[]>> {
  const answer = await pool.run<OldLock>(OLD_LOCKS);
  return answer.ok ? { ok: true, value: answer.rows } : answer;
}
