/** Reads the figures of a run from the database: how many, how often, how fast. */
import type { Pool } from "@acktor/shared/db/pool";
import { LabFailure } from "../world/lab-failure.ts";
import type { SecondOfRun } from "./result.ts";

export interface Facts {
  readonly acknowledged: number;
  readonly wireDuplicates: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number } | null;
  /** p99 of the destinations that were not silenced, without messages that have an ordering key and wait for earlier ones. */
  readonly othersP99Ms: number | null;
  readonly seconds: readonly SecondOfRun[];
}

interface TotalsRow {
  readonly acknowledged: number;
  readonly duplicates: number;
  readonly p50: number | null;
  readonly p99: number | null;
  readonly others: number | null;
}

const LATENCY = "extract(epoch from acknowledged_at - created_at) * 1000";

const TOTALS = `
select count(acknowledged_at)::int4 acknowledged,
  (select coalesce(sum(deliveries - 1), 0)::int4 from acker.inbox) duplicates,
  percentile_cont(0.5) within group (order by ${LATENCY})::float8 p50,
  percentile_cont(0.99) within group (order by ${LATENCY})::float8 p99,
  (percentile_cont(0.99) within group (order by ${LATENCY}) filter (where topic is distinct from $1 and ordering_key is null))::float8 others
from publisher.message_delivery`;

const SECONDS = `
select floor(extract(epoch from created_at - (select min(created_at) from publisher.message_delivery)))::int4 as second,
  count(*)::int4 accepted,
  percentile_cont(0.5) within group (order by ${LATENCY})::float8 "p50Ms",
  percentile_cont(0.99) within group (order by ${LATENCY})::float8 "p99Ms"
from publisher.message_delivery group by 1 order by 1`;

/** @param silenced the topic whose messages are late on purpose */
export async function readFacts(pool: Pool, silenced: string | null): Promise<Facts> {
  const totals = await pool.run<TotalsRow>(TOTALS, [silenced], { deadlineMs: 30_000 });
  const seconds = await pool.run<SecondOfRun>(SECONDS, [], { deadlineMs: 30_000 });
  if (!totals.ok) throw new LabFailure(`facts: ${totals.failure.message}`);
  if (!seconds.ok) throw new LabFailure(`facts: ${seconds.failure.message}`);
  const [row] = totals.rows;
  if (row === undefined) throw new LabFailure("facts: the aggregate gave no row");
  const { p50, p99 } = row;
  return {
    acknowledged: row.acknowledged,
    wireDuplicates: row.duplicates,
    latencyMs: p50 === null || p99 === null ? null : { p50, p99 },
    othersP99Ms: row.others,
    seconds: [...seconds.rows],
  };
}
