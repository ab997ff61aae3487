/**
 * Cancels waiting messages, those of a topic or selected ones, oldest first.
 *
 * Each chunk is one statement and one audited action. A failure between two chunks leaves complete chunks cancelled and the
 * rest waiting; the same call continues from there.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import { allowedTopic, EVERYWHERE, FILTER_PARAMS, type TopicScope } from "../principals/topic-filters.ts";
import type { Asker } from "./asker.ts";
import { cancelMessages } from "./cancel-messages.ts";
import type { Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const CHUNK = 1_000;

export interface WaitingFilter {
  /** The whole topic; null with `messageIds`. */
  readonly topic: string | null;
  /** These alone; null = all of the topic. */
  readonly messageIds?: readonly string[] | null;
  readonly limit: number;
  /** Counts only. */
  readonly dryRun: boolean;
  /** What the caller may touch; everything when left out. */
  readonly scope?: TopicScope;
}

export interface CancelledWaiting {
  readonly matched: number;
  readonly cancelled: number;
  /** Matched, but no longer waiting when it was to be cancelled. */
  readonly refused: number;
}

const FIND = `select message_id from publisher.message_delivery
where due_at is not null and topic = $1 and ${allowedTopic("topic", 3)} and ${allowedTopic("topic", 3 + FILTER_PARAMS)} order by message_id limit $2`;

const SELECT = `select m.message_id from (select id from unnest($1::uuid[]) id where ${planForFewRows("id")}) i
join publisher.message_delivery m on m.message_id = i.id
where m.due_at is not null and ${allowedTopic("m.topic", 2)} and ${allowedTopic("m.topic", 2 + FILTER_PARAMS)} order by m.message_id`;

/** Cancels what matches, by the rules of `cancelMessages`. */
export async function cancelWaiting(
  pool: Pool,
  { topic, messageIds = null, limit, dryRun, scope = EVERYWHERE }: WaitingFilter,
  asker: Asker,
): Promise<Outcome<CancelledWaiting>> {
  const allowed = [...scope.read.params(), ...scope.write.params()];
  const found =
    messageIds === null
      ? await pool.run<{ message_id: string }>(FIND, [topic, limit, ...allowed])
      : await pool.run<{ message_id: string }>(SELECT, [pgArray(messageIds), ...allowed]);
  if (!found.ok) return found;
  const ids = found.rows.map((row) => row.message_id);
  let cancelled = 0;
  for (let at = 0; at < ids.length && !dryRun; at += CHUNK) {
    const chunk = await cancelMessages(pool, ids.slice(at, at + CHUNK), asker);
    if (!chunk.ok) return chunk;
    cancelled += chunk.value.moved.length;
  }
  return { ok: true, value: { matched: ids.length, cancelled, refused: dryRun ? 0 : ids.length - cancelled } };
}
