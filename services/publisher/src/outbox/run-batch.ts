/** One batch, one statement. */
import type { DbResult, Param, Pool } from "@acktor/shared/db/pool";

const DEADLOCK = "40P01";
const TRIES = 3;

/**
 * Runs a batch verb; an empty batch asks nobody. Batches lock their rows sorted by id, so deadlocks are not expected;
 * where a plan breaks that order PostgreSQL ends one of the two (nothing changed), and it runs again.
 */
export async function runBatch<Row>(
  pool: Pool,
  text: string,
  batch: readonly unknown[],
  params: readonly Param[],
): Promise<DbResult<Row>> {
  if (batch.length === 0) return { ok: true, rows: [] };
  for (let tries = 1; ; tries++) {
    const result = await pool.run<Row>(text, params);
    if (result.ok || result.failure.code !== DEADLOCK || tries === TRIES) return result;
  }
}
