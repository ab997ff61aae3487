/**
 * Reads destinations where messages wait, and those that are parked. At most SCAN of each are read, of the waiting rows the
 * oldest: people look for what waits longest.
 */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

const SCAN = 10_000;

export interface DestinationRow {
  readonly name: string;
  /** Of the oldest SCAN waiting rows, those of this destination. */
  readonly waiting: number;
  /** Creation of its oldest waiting message, ISO 8601; null when none was seen. */
  readonly oldest_at: string | null;
  readonly parked_at: string | null;
  /** The next probe of a parked one. */
  readonly probe_at: string | null;
  /** Probes without an answer. */
  readonly misses: number;
  readonly last_answer_at: string | null;
}

const READ = `with oldest as (
  select topic, created_at from publisher.message_delivery where due_at is not null order by message_id limit ${SCAN}),
waiting as (
  select publisher.destination_of(topic, o.destination_levels) name, count(*)::int4 waiting, min(created_at) oldest_at
  from oldest, publisher.outbox o group by 1),
silent as (
  select destination name, parked_at, probe_at, misses, last_answer_at from publisher.destination where parked_at is not null
  limit ${SCAN})
select coalesce(w.name, s.name) name, coalesce(w.waiting, 0) waiting, w.oldest_at, s.parked_at, s.probe_at,
  coalesce(s.misses, 0) misses, s.last_answer_at
from waiting w full join silent s on s.name = w.name
order by s.parked_at is null, w.oldest_at nulls last, 1 limit $1`;

/** Parked ones first, then by what waits longest. */
export async function readDestinations(pool: Pool, most: number): Promise<Outcome<readonly DestinationRow[]>> {
  const answer = await pool.run<DestinationRow>(READ, [most]);
  return answer.ok ? { ok: true, value: [...answer.rows] } : answer;
}
