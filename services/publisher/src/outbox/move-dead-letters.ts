/**
 * Common to every verb for many dead letters: find them, oldest first, move them chunk by chunk, and report the reasons of
 * refusals. Each chunk is one statement and one audited action; after a failure the same call continues.
 *
 * Invariants:
 *  DEAD_LETTERS-1. `matched` = moved + refused, and in a dry run `refused` is what would be refused. Each refusal has a reason.
 *  DEAD_LETTERS-2. An id that was given and is no dead letter is refused: it is neither moved nor skipped silently.
 *  SCOPE-1. A message outside the topics that the caller may see is unknown to the caller, by its id too; a message that the
 *           caller may not write to is not moved.
 */
import { type Pool, pgArray } from "@acktor/shared/db/pool";
import { allowedTopic, EVERYWHERE, FILTER_PARAMS, type TopicScope } from "../principals/topic-filters.ts";
import type { OperatorResult, Outcome } from "./outbox.ts";
import { planForFewRows } from "./sql-arrays.ts";

const CHUNK = 1_000;

export interface DeadLetterFilter {
  /** These alone; null = all that match. */
  readonly messageIds?: readonly string[] | null;
  /** The complete reason; null = any. */
  readonly reason: string | null;
  /** The complete topic; null = any. */
  readonly topic: string | null;
  readonly limit: number;
  /** Counts and judges only. */
  readonly dryRun: boolean;
  /** What the caller may touch; everything when left out. */
  readonly scope?: TopicScope;
}

/** Refusals for one reason. */
export interface Refusal {
  readonly why: string;
  readonly count: number;
  /** The oldest of them. */
  readonly message_id: string;
}

export interface MovedDeadLetters {
  readonly matched: number;
  /** 0 in a dry run. */
  readonly moved: number;
  readonly refused: number;
  readonly refusals: readonly Refusal[];
}

/** Moves a chunk, or tells what a move would do. @param movedBefore by the chunks before */
export type MoveChunk = (ids: readonly string[], movedBefore: number) => Promise<Outcome<OperatorResult>>;

// SCOPE-1: `allowedTopic`, in both.
const FIND = `select message_id, null why from publisher.message_delivery
where state in ('failed', 'expired') and discarded_at is null and (reason = $1 or $1 is null) and (topic = $2 or $2 is null)
  and ${allowedTopic("topic", 4)} and ${allowedTopic("topic", 4 + FILTER_PARAMS)}
order by message_id limit $3`;

// DEAD_LETTERS-2
const SELECT = `select i.id message_id, case when m.state is null then 'there is no message under this id'
    when m.state not in ('failed', 'expired') then format('the message is %s; dead letters are failed or expired', m.state)
    when not ${allowedTopic("m.topic", 2 + FILTER_PARAMS)} then 'its topic is outside the topics that this token may write to' end why
from (select distinct id from unnest($1::uuid[]) id where ${planForFewRows("id")}) i
left join publisher.message_delivery m on m.message_id = i.id and ${allowedTopic("m.topic", 2)} order by i.id`;

interface Found {
  readonly message_id: string;
  /** Null: a dead letter. */
  readonly why: string | null;
}

/** A discarded dead letter is found by its id alone. */
function find(pool: Pool, { messageIds = null, reason, topic, limit, scope = EVERYWHERE }: DeadLetterFilter) {
  const allowed = [...scope.read.params(), ...scope.write.params()];
  return messageIds === null
    ? pool.run<Found>(FIND, [reason, topic, limit, ...allowed])
    : pool.run<Found>(SELECT, [pgArray(messageIds), ...allowed]);
}

/** @param move is called for every dead letter once, in a dry run too */
export async function moveDeadLetters(
  pool: Pool,
  filter: DeadLetterFilter,
  move: MoveChunk,
): Promise<Outcome<MovedDeadLetters>> {
  const found = await find(pool, filter);
  if (!found.ok) return found;
  const refusals = new Map<string, { why: string; count: number; message_id: string }>();
  const refuse = (messageId: string, why: string): void => {
    const known = refusals.get(why);
    if (known === undefined) refusals.set(why, { why, count: 1, message_id: messageId });
    else known.count++;
  };
  const ids: string[] = [];
  for (const { message_id: id, why } of found.rows) {
    if (why === null) ids.push(id);
    else refuse(id, why);
  }
  let moved = 0;
  for (let at = 0; at < ids.length; at += CHUNK) {
    const chunk = await move(ids.slice(at, at + CHUNK), moved);
    if (!chunk.ok) return chunk;
    moved += chunk.value.moved.length;
    for (const { messageId, why } of chunk.value.refused) refuse(messageId, why);
  }
  const matched = found.rows.length;
  return {
    ok: true,
    value: {
      matched,
      moved: filter.dryRun ? 0 : moved,
      refused: matched - moved, // DEAD_LETTERS-1
      refusals: [...refusals.values()].sort((a, b) => b.count - a.count),
    },
  };
}
