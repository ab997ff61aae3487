/**
 * Stores the messages of pure handlers with their effects at once: they may run before anything is written, and again.
 *
 * Invariant: what is not stored here is returned, unchanged, for the usual way.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { type Fragment, shapeOf } from "../inbox/fragment.ts";
import type { InboxMessage } from "../inbox/message.ts";
import type { Incoming, Newness } from "../inbox/receive-messages.ts";
import { receiveWithEffects } from "../inbox/receive-with-effects.ts";
import type { ShapeTypes } from "../inbox/shape-types.ts";
import { shareStatements } from "../inbox/share-statements.ts";

export interface ComputeFirst<T extends Incoming> {
  readonly pool: Pool;
  readonly shapes: ShapeTypes;
  /** The effect of a message, known before it is stored; null = its handler wants the usual way. */
  readonly effectOf: (message: InboxMessage) => Fragment | null;
  readonly isExpired: (message: InboxMessage) => boolean;
  readonly newness: Newness;
  /** A message is processed, its effect committed. */
  readonly onStored: (item: T) => void;
}

/** @returns what is left */
export async function computeFirst<T extends Incoming>(
  groups: readonly T[],
  options: ComputeFirst<T>,
): Promise<readonly T[]> {
  const { pool, shapes, effectOf, isExpired, newness } = options;
  if (!newness.expects(groups)) return groups;
  const rest: T[] = [];
  const early: { item: T; effect: Fragment }[] = [];
  for (const item of groups) {
    const effect = isExpired(item.message) ? null : effectOf(item.message);
    if (effect === null || !shapeOf(effect).isPlainInsert) rest.push(item);
    else early.push({ item, effect });
  }
  for (const statement of await shareStatements(early, shapes)) {
    const answer = await receiveWithEffects(pool, statement);
    if (!answer.ok && answer.failure.constraint?.startsWith("inbox")) newness.wasWrong();
    for (const { item } of statement.items) {
      if (answer.ok) options.onStored(item);
      else rest.push(item);
    }
  }
  return rest;
}
