/**
 * Which effects share a statement, and its text: plain inserts of one shape do, hundreds at a time.
 *
 * Invariants:
 *  1. The effects of a statement have one shape; more than one only of plain inserts (`fragment.ts` says why).
 *  2. Texts are few, because each is planned anew on every connection: one for a shape whose types are known, those of
 *     `statement-sizes.ts` for another.
 */
import type { Param } from "@acktor/shared/db/pool";
import { type Fragment, render, shapeOf } from "./fragment.ts";
import { insertRows } from "./insert-rows.ts";
import type { ShapeTypes, TypedRow } from "./shape-types.ts";
import { piecesOf } from "./statement-sizes.ts";

export interface WithEffect {
  readonly effect: Fragment;
}

export interface SharedStatement<T extends WithEffect> {
  readonly items: readonly T[];
  /** How its inserts become one; null: side by side. */
  readonly row: TypedRow | null;
}

/** Puts effects together. */
export async function shareStatements<T extends WithEffect>(
  batch: readonly T[],
  shapes: ShapeTypes,
): Promise<SharedStatement<T>[]> {
  const shared = new Map<string, T[]>();
  const statements: SharedStatement<T>[] = [];
  for (const item of batch) {
    const { key, isPlainInsert } = shapeOf(item.effect);
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

/** Two halves of a statement that was refused, so that the faulty effect comes to stand alone. */
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
