/** One batch, one statement. */
import type { DbResult, Param, Pool, RunOptions } from "@acktor/shared/db/pool";

const DEADLOCK = "40P01";
const TRIES = 3;

/**
 * Runs a batch verb; an empty batch runs no statement. Batches lock their rows sorted by id, and their lanes sorted by hash,
 * so two batches do not deadlock. A caller's own transaction that enqueues to several keys in another order may deadlock with
 * a batch: PostgreSQL then ends one of the two (nothing changed), and the batch runs again.
 */
export async function runBatch<Row>(
  pool: Pool,
  text: string,
  batch: readonly unknown[],
  params: readonly Param[],
  options: RunOptions = {},
): Promise<DbResult<Row>> {
  if (batch.length === 0) return { ok: true, rows: [] };
  for (let tries = 1; ; tries++) {
    const result = await pool.run<Row>(text, params, options);
    if (result.ok || result.failure.code !== DEADLOCK || tries === TRIES) return result;
  }
}
