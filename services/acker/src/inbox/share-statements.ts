/**
 * Groups effects into statements: plain inserts of one shape share one, hundreds at a time.
 *
 * Few SQL texts are used, because every connection plans each of them: one for a shape whose types are known, otherwise one
 * for each size in `statement-sizes.ts`.
 *
 * Invariants:
 *  SHARE-1. The effects of a statement have one shape; a statement with several effects has plain inserts only
 *           (FRAGMENT-2 says why).
 */
import type { Param } from "@acktor/shared/db/pool";
import { type Fragment, render, shapeOf } from "./fragment.ts";
import { insertRows } from "./insert-rows.ts";
import type { Shapes, TypedRow } from "./shape-types.ts";
import { piecesOf } from "./statement-sizes.ts";

export interface WithEffect {
  readonly effect: Fragment;
}

export interface SharedStatement<T extends WithEffect> {
  readonly items: readonly T[];
  /** How its inserts become one insert; null: one CTE for each. */
  readonly row: TypedRow | null;
}

/** Groups effects into statements. */
export async function shareStatements<T extends WithEffect>(
  batch: readonly T[],
  shapes: Shapes,
): Promise<SharedStatement<T>[]> {
  const shared = new Map<string, T[]>();
  const statements: SharedStatement<T>[] = [];
  for (const item of batch) {
    const { key, isPlainInsert } = shapeOf(item.effect);
    // SHARE-1
    if (!isPlainInsert) {
      statements.push({ items: [item], row: null });
      continue;
    }
    const group = shared.get(key);
    if (group === undefined) shared.set(key, [item]);
    else group.push(item);
  }
  for (const items of shared.values()) {
    const [first] = items;
    const row = first === undefined ? null : await shapes.of(first.effect);
    statements.push(...cut(items, row));
  }
  return statements;
}

/** Two halves of a statement that PostgreSQL refused, to find the faulty effect. */
export function halve<T extends WithEffect>({ items, row }: SharedStatement<T>): SharedStatement<T>[] {
  const half = items.length >> 1;
  return [...cut(items.slice(half), row), ...cut(items.slice(0, half), row)];
}

function cut<T extends WithEffect>(items: readonly T[], row: TypedRow | null): SharedStatement<T>[] {
  return row === null ? piecesOf(items).map((piece) => ({ items: piece, row })) : [{ items, row }];
}

/** The effects as bodies of CTEs. @param from number of the first parameter */
export function renderEffects<T extends WithEffect>(
  { items, row }: SharedStatement<T>,
  from: number,
): { readonly bodies: readonly string[]; readonly params: readonly Param[] } {
  const effects = items.map(({ effect }) => effect);
  if (row !== null) {
    const { text, params } = insertRows(row.shape, row.types, effects, from);
    return { bodies: [text], params };
  }
  const bodies: string[] = [];
  const params: Param[] = [];
  for (const effect of effects) {
    bodies.push(render(effect, from + params.length));
    params.push(...effect.values);
  }
  return { bodies, params };
}
