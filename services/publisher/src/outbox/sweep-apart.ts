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

/** One sweep in its two forms. */
export interface Sweep<T> {
  /** In one statement. */
  whole(): Promise<Outcome<T>>;
  /** In parts, without the rows that are passed over. */
  around(passedOver: readonly string[]): Promise<Outcome<T>>;
}

/** Sweeps in one statement while that works. */
export async function sweepApart<T>(shelf: Shelf, sweep: Sweep<T>): Promise<Outcome<T>> {
  const passedOver = shelf.passedOver();
  if (passedOver.length > 0) return sweep.around(passedOver);
  const swept = await sweep.whole();
  return swept.ok || !mayBeOneRow(swept.failure) ? swept : sweep.around([]); // SWEEP-1
}

/** Changes rows by their ids; those that fail alone go to the shelf. */
export async function changeApart<Row>(
  shelf: Shelf,
  messageIds: readonly string[],
  change: (part: readonly string[]) => Promise<DbResult<Row>>,
): Promise<DbResult<Row>> {
  const bad: BadRow[] = [];
  const changed = await apart(messageIds, change, {
    add: (messageId, failure) => void bad.push({ messageId, failure }),
  });
  if (changed.ok && bad.length > 0) await shelf.put(bad, bad.length < messageIds.length);
  return changed;
}
