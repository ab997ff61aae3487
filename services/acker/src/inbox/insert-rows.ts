/**
 * Inserts of one row each, of one shape, as one insert of many rows from arrays. A batch of any size then has the same
 * text, is planned once, and has one parameter for each column instead of one for each value. A text for each batch size
 * would be planned five times on each connection before PostgreSQL keeps a plan.
 *
 * Invariants:
 *  ROWS-1. The effect equals that of the single inserts: the arrays have the types that PostgreSQL gives the parameters of
 *          the single insert (`shape-types.ts`). Without those types, or where a value is an array, there is no such form.
 */
import { type Param, pgArray } from "@acktor/shared/db/pool";
import type { Fragment } from "./fragment.ts";

/** An insert of one row whose values are parameters, with casts at most. */
export interface RowShape {
  /** Up to the row. */
  readonly head: string;
  /** What follows each value: casts. */
  readonly casts: readonly string[];
  /** After the row. */
  readonly tail: string;
}

const CAST = String.raw`((?:::\s*[a-z_][\w. ]*\s*)*)`;
const HEAD = /^(\s*insert\s+into\s+[^()'";]+(?:\([^()'";]*\))?)\s*values\s*\(\s*$/i;
const BETWEEN = new RegExp(String.raw`^\s*${CAST}\s*,\s*$`, "i");
const TAIL = new RegExp(String.raw`^\s*${CAST}\s*\)(\s*(?:on\s+conflict\s+do\s+nothing)?\s*)$`, "i");

/** Null unless it is an insert of one row that consists of parameters. */
export function rowShapeOf({ texts }: Fragment): RowShape | null {
  const head = HEAD.exec(texts[0] ?? "")?.[1];
  const last = TAIL.exec(texts.at(-1) ?? "");
  if (head === undefined || last === null || texts.length < 2) return null;
  const casts: string[] = [];
  for (const text of texts.slice(1, -1)) {
    const cast = BETWEEN.exec(text)?.[1];
    if (cast === undefined) return null;
    casts.push(cast.trim());
  }
  return { head: head.trim(), casts: [...casts, (last[1] ?? "").trim()], tail: (last[2] ?? "").trim() };
}

/**
 * One insert with all rows of `fragments`. ROWS-1: each array is cast to its type.
 * @param types of their values; `from`: number of its first parameter
 */
export function insertRows(
  { head, casts, tail }: RowShape,
  types: readonly string[],
  fragments: readonly Fragment[],
  from: number,
): { readonly text: string; readonly params: Param[] } {
  const arrays = types.map((type, at) => `$${from + at}::${type}[]`);
  const values = casts.map((cast, at) => `r.v${at}${cast}`);
  const names = types.map((_, at) => `v${at}`);
  const text = `${head} select ${values.join(", ")} from unnest(${arrays.join(", ")}) r(${names.join(", ")}) ${tail}`;
  const params = types.map((_, at) => pgArray(fragments.map(({ values: row }) => row[at] ?? null)));
  return { text, params };
}
