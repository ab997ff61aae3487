/** Columns of a batch as array parameters for `unnest`. */
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
