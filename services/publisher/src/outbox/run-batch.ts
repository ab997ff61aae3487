/** One batch, one statement. */
import type { DbResult, Param, Pool, RunOptions } from "@acktor/shared/db/pool";

/**
 * Runs a batch verb; an empty batch runs no statement. Batches lock their rows sorted by id, and their lanes sorted by hash,
 * so two batches do not deadlock. A caller's own transaction that enqueues to several keys in another order may deadlock with
 * a batch: PostgreSQL then ends one of the two (nothing changed), and the pool runs the batch again.
 */
export async function runBatch<Row>(
  pool: Pool,
  text: string,
  batch: readonly unknown[],
  params: readonly Param[],
  options: RunOptions = {},
): Promise<DbResult<Row>> {
  return batch.length === 0 ? { ok: true, rows: [] } : pool.run<Row>(text, params, options);
}
