/** Columns of a batch as array parameters for `unnest`, and how such a batch is joined to a table. */
import { type Param, pgArray } from "@acktor/shared/db/pool";

/** One value of each item, as an array literal. */
export function column<T>(items: readonly T[], value: (item: T) => Param): string {
  return pgArray(items.map(value));
}

/**
 * As `column`, but null when every item has null: `unnest` pads the missing array, and most batches use few of the
 * optional columns, so most of them cost nothing.
 */
export function sparseColumn<T>(items: readonly T[], value: (item: T) => Param): string | null {
  const values = items.map(value);
  return values.every((v) => v === null) ? null : pgArray(values);
}

/**
 * For the WHERE of a batch that is joined to `message_delivery`: always true, but the planner estimates that it selects one
 * row. Plans are made while a day's tables are nearly empty, where hashing a complete table looks as cheap as ten look-ups,
 * and are kept while the table fills: a claim then read all 100,000 rows. With an estimate of one row a look-up is the
 * cheapest at any size.
 *
 * Do not also bound `message_id` in order to exclude days before the statement starts: where PostgreSQL 18 prunes, it then
 * loses rows after one for which it had to wait (22,000 of 30,000 acks in the stress test; docs/adr/0015).
 * @param id a column that is not null
 */
export function planForFewRows(id: string): string {
  return `coalesce(${id}, ${id}) = ${id}`;
}
