/** Bounds the audit (RIGHTS-4, publisher.purge_actions), one batch a call; no other statement removes or changes a line. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Outcome } from "./outbox.ts";

/** Lines that one call of the function removes at most. */
const BATCH = 5_000;

/** @returns how many lines were deleted, and whether there may be more */
export async function purgeActions(pool: Pool): Promise<Outcome<{ readonly deleted: number; readonly more: boolean }>> {
  const answer = await pool.run<{ deleted: number }>("select publisher.purge_actions() deleted");
  if (!answer.ok) return answer;
  const deleted = answer.rows[0]?.deleted ?? 0;
  return { ok: true, value: { deleted, more: deleted === BATCH } };
}
