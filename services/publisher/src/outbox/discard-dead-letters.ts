/**
 * Dead letters (failed and expired) that an operator has looked after, oldest first: they leave the lists of dead letters
 * and keep their state, so that each can still be replayed by its id, and a late ack still counts.
 *
 * Invariant: each chunk is one statement and one audited action; a failure between two chunks leaves whole chunks
 * discarded and the rest as they were, and the same call goes on from there.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { idList } from "./operator-result.ts";
import type { Outcome } from "./outbox.ts";
import { type DeadLetterFilter, findDeadLetters } from "./replay-dead-letters.ts";
import { few } from "./sql-arrays.ts";

const CHUNK = 1_000;

export interface DiscardedDeadLetters {
  readonly matched: number;
  readonly discarded: number;
  /** Matched, and moved meanwhile. */
  readonly refused: number;
}

const DISCARD = `with found as materialized (
  select m.message_id, m.state, m.discarded_at from (select id from unnest($1::uuid[]) id where ${few("id")} order by id) i
  join publisher.message_delivery m on m.message_id = i.id for update of m),
marked as (
  update publisher.message_delivery m set discarded_at = now(), updated_at = now()
  from (select message_id from found where state in ('failed', 'expired') and discarded_at is null order by message_id) f
  where m.message_id = f.message_id and ${few("f.message_id")} returning m.message_id),
audit as (
  insert into publisher.operator_action (who, action, detail, messages)
  select $2, 'discard', jsonb_build_object('message_ids', jsonb_agg(message_id)), count(*) from marked having count(*) > 0)
select count(*)::int4 discarded from marked`;

/** Discards what matches and was not discarded before. */
export async function discardDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  { who }: { readonly who: string },
): Promise<Outcome<DiscardedDeadLetters>> {
  const found = await findDeadLetters(pool, filter);
  if (!found.ok) return found;
  const ids = found.value;
  let discarded = 0;
  for (let at = 0; at < ids.length && !filter.dryRun; at += CHUNK) {
    const chunk = await pool.run<{ discarded: number }>(DISCARD, [idList(ids.slice(at, at + CHUNK)), who]);
    if (!chunk.ok) return chunk;
    discarded += chunk.rows[0]?.discarded ?? 0;
  }
  return { ok: true, value: { matched: ids.length, discarded, refused: filter.dryRun ? 0 : ids.length - discarded } };
}
