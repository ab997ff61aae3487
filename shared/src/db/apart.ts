/**
 * Writes a batch in parts when one of its rows fails, until that row is alone.
 *
 * Invariants:
 *  APART-1. One row's failure keeps no other row of its batch from being written.
 *  APART-2. The batch is split only after a failure that one row may have caused; after another failure nothing more runs.
 *  APART-3. A batch of n costs at most 2n statements.
 *  APART-4. The rows of the parts that worked are in the result, also when a later part fails.
 */
import { mayBeOneRow } from "../runtime/sqlstate.ts";
import type { DbFailure, DbResult } from "./pool.ts";

/** Receives the rows that fail alone. */
export interface BadRows<Item> {
  add(item: Item, failure: DbFailure): void;
}

/** `rows`: of all parts that worked. `failure`: the first one that no single row can have caused. */
export type PartsResult<Row> =
  | { readonly ok: true; readonly rows: readonly Row[] }
  | { readonly ok: false; readonly failure: DbFailure; readonly rows: readonly Row[] };

type RunPart<Item, Row> = (part: readonly Item[]) => Promise<DbResult<Row>>;

/** @param run must be safe to run again: parts of a batch are tried after the complete batch */
export async function apart<Item, Row>(
  items: readonly Item[],
  run: RunPart<Item, Row>,
  bad: BadRows<Item>,
): Promise<PartsResult<Row>> {
  const result = await run(items);
  if (result.ok) return result;
  const { failure } = result;
  const [first] = items;
  if (first === undefined || !mayBeOneRow(failure)) return { ok: false, failure, rows: [] }; // APART-2
  if (items.length === 1) {
    bad.add(first, failure);
    return { ok: true, rows: [] }; // APART-1
  }
  const middle = Math.ceil(items.length / 2); // APART-3
  const left = await apart(items.slice(0, middle), run, bad);
  if (!left.ok) return left;
  const right = await apart(items.slice(middle), run, bad);
  return { ...right, rows: [...left.rows, ...right.rows] }; // APART-4
}
