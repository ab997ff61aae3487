/**
 * Waiting messages of a topic that are wanted no longer, oldest first.
 *
 * Invariant: each chunk is one statement and one audited action; a failure between two chunks leaves whole chunks
 * cancelled and the rest waiting, and the same call goes on from there.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { cancelMessages } from "./cancel-messages.ts";
import type { Outcome } from "./outbox.ts";

const CHUNK = 1_000;

export interface WaitingFilter {
  /** The whole topic. */
  readonly topic: string;
  readonly limit: number;
  /** Counts only. */
  readonly dryRun: boolean;
}

export interface CancelledWaiting {
  readonly matched: number;
  readonly cancelled: number;
  /** Matched, but ended meanwhile. */
  readonly refused: number;
}

const FIND = `select message_id from publisher.message_delivery
where due_at is not null and topic = $1 order by message_id limit $2`;

/** Cancels what matches, by the rules of `cancelMessages`. */
export async function cancelWaiting(
  pool: Pool,
  { topic, limit, dryRun }: WaitingFilter,
  options: { readonly who: string },
): Promise<Outcome<CancelledWaiting>> {
  const found = await pool.run<{ message_id: string }>(FIND, [topic, limit]);
  if (!found.ok) return found;
  const ids = found.rows.map((row) => row.message_id);
  let cancelled = 0;
  for (let at = 0; at < ids.length && !dryRun; at += CHUNK) {
    const chunk = await cancelMessages(pool, ids.slice(at, at + CHUNK), options);
    if (!chunk.ok) return chunk;
    cancelled += chunk.value.moved.length;
  }
  return { ok: true, value: { matched: ids.length, cancelled, refused: dryRun ? 0 : ids.length - cancelled } };
}
