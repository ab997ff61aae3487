/** Asks PostgreSQL whether it takes writes. */
import type { DatabaseFacts } from "../runtime/database-health.ts";
import type { DbResult, Pool } from "./pool.ts";

const DEADLINE_MS = 1_500;

// The last statement of a restore creates indexes and triggers; the tables and one function of the schema stand for it.
const facts = (schema: string): string => `select pg_is_in_recovery() standby,
  current_setting('transaction_read_only') = 'on' read_only, to_regclass('${schema}.disk_probe') is not null whole`;

// A row that fills a page of this table: it succeeds only where the disk has room for a page more.
const write = (schema: string): string => `with gone as (delete from ${schema}.disk_probe)
insert into ${schema}.disk_probe (filler) select string_agg(md5(i::text), '') from generate_series(1, 60) i`;

/**
 * @param schema whose table `disk_probe` it writes to
 * @param writes true: with a write, which takes space on the disk
 */
export async function probeDatabase(pool: Pool, schema: string, writes: boolean): Promise<DbResult<DatabaseFacts>> {
  const answer = await pool.run<DatabaseFacts>(facts(schema), [], { deadlineMs: DEADLINE_MS });
  const [found] = answer.ok ? answer.rows : [];
  if (!writes || found === undefined || found.standby || found.read_only || !found.whole) return answer;
  const written = await pool.run(write(schema), [], { deadlineMs: DEADLINE_MS });
  return written.ok ? answer : written;
}
