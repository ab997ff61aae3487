/**
 * Sweeps around single rows: one statement, or parts when one row makes it fail.
 *
 * Invariants:
 *  SWEEP-1. One row that cannot be changed prevents no other from being swept; while no sweep fails, this costs nothing.
 */
import { apart } from "@acktor/shared/db/apart";
import type { DbResult } from "@acktor/shared/db/pool";
import { mayBeOneRow } from "@acktor/shared/runtime/sqlstate";
import type { BadRow, BadRowShelf } from "./bad-rows.ts";
import type { Outcome } from "./outbox.ts";

/** The part of `BadRowShelf` that a sweep needs. */
export type Shelf = Pick<BadRowShelf, "passedOver" | "put">;

/**
 * Runs a sweep in one statement, while no row is passed over.
 * @returns null when the sweep has to be run in parts (SWEEP-1)
 */
export async function sweepWhole<T>(shelf: Shelf, sweep: () => Promise<Outcome<T>>): Promise<Outcome<T> | null> {
  if (shelf.passedOver().length > 0) return null;
  const swept = await sweep();
  return swept.ok || !mayBeOneRow(swept.failure) ? swept : null;
}

/** Changes rows by their ids; those that fail alone go to the shelf. */
export async function changeApart<Row>(
  shelf: Shelf,
  messageIds: readonly string[],
  change: (part: readonly string[]) => Promise<DbResult<Row>>,
): Promise<DbResult<Row>> {
  const bad: BadRow[] = [];
  const changed = await apart(messageIds, change, {
    add(messageId, failure) {
      bad.push({ messageId, failure });
    },
  });
  if (changed.ok && bad.length > 0) await shelf.put(bad, bad.length < messageIds.length);
  return changed;
}
