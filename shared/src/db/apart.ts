/**
 * A batch in which one row fails is written in parts until that row stands alone.
 *
 * Invariants:
 *  APART-1. One row's failure keeps no other row of its batch from being written.
 *  APART-2. Only after a failure, and only where one row may be its cause: else the batch fails as before.
 *  APART-3. A batch of n costs at most 2n statements.
 */
import { mayBeOneRow } from "../runtime/sqlstate.ts";
import type { DbFailure, DbResult } from "./pool.ts";

/** What takes the rows that fail alone. */
export interface BadRows<Item> {
  add(item: Item, failure: DbFailure): void;
}

/**
 * Runs a batch verb. It must be safe to run again: parts of a batch are tried after the whole.
 * @returns the rows of all parts that worked; the first failure that no row can be blamed for
 */
export async function apart<Item, Row>(
  items: readonly Item[],
  run: (part: readonly Item[]) => Promise<DbResult<Row>>,
  bad: BadRows<Item>,
): Promise<DbResult<Row>> {
  const result = await run(items);
  const [first] = items;
  if (result.ok || first === undefined || !mayBeOneRow(result.failure)) return result;
  if (items.length === 1) {
    bad.add(first, result.failure);
    return { ok: true, rows: [] };
  }
  const middle = Math.ceil(items.length / 2);
  const left = await apart(items.slice(0, middle), run, bad);
  if (!left.ok) return left;
  const right = await apart(items.slice(middle), run, bad);
  return right.ok ? { ok: true, rows: [...left.rows, ...right.rows] } : right;
}
