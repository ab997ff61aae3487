/** Sequences that are behind the data after a restore or a logical replication: new rows would be taken for older ones. */
import type { Pool } from "@acktor/shared/db/pool";
import type { Logger } from "@acktor/shared/runtime/logger";
import type { Outcome } from "./outbox.ts";

const ADVANCE = "select s as name from publisher.advance_sequences() s";
/** Reads what waits in lanes: a second for a million. */
const DEADLINE_MS = 30_000;

/** Moves them up. Rows that cannot be read are a warning, and no reason not to start. @returns the names of those that were behind */
export async function advanceSequences(pool: Pool, logger: Pick<Logger, "warn">): Promise<Outcome<readonly string[]>> {
  const answer = await pool.run<{ name: string }>(ADVANCE, [], { deadlineMs: DEADLINE_MS });
  if (!answer.ok) {
    if (answer.failure.kind !== "rejected") return answer;
    logger.warn({ code: answer.failure.code }, `sequences were not compared with the data: ${answer.failure.message}`);
    return { ok: true, value: [] };
  }
  const names = answer.rows.map(({ name }) => name);
  if (names.length > 0) logger.warn({ sequences: names }, "sequences were behind the data and have been moved up");
  return { ok: true, value: names };
}
