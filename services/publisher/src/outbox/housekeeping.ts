/** What would grow without limit: idempotency keys whose time is over, and the tally's differences. Batches, for the janitor. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

const KEYS = 1_000;
/** Rows that one call of the function sums up at most. */
const DIFFERENCES = 10_000;

const PURGE = `with old as materialized (
  select owner, key from publisher.idempotency where expires_at <= now() order by expires_at limit ${KEYS} for update skip locked)
delete from publisher.idempotency i using old where i.owner = old.owner and i.key = old.key returning i.key`;

const SUM_UP = "select publisher.sum_up_tally() n";

/** Deletes one batch of idempotency keys. @returns whether there may be more */
export async function purgeIdempotencyKeys(
  pool: Pool,
): Promise<Outcome<{ readonly deleted: number; readonly more: boolean }>> {
  const answer = await pool.run(PURGE);
  if (!answer.ok) return answer;
  return { ok: true, value: { deleted: answer.rows.length, more: answer.rows.length === KEYS } };
}

/** Sums the tally up; its total does not change. @returns how many rows were summed, and whether there may be more */
export async function sumUpTally(pool: Pool): Promise<Outcome<{ readonly summed: number; readonly more: boolean }>> {
  const answer = await pool.run<{ n: number }>(SUM_UP);
  if (!answer.ok) return answer;
  const summed = answer.rows[0]?.n ?? 0;
  return { ok: true, value: { summed, more: summed === DIFFERENCES } };
}
