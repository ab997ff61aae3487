/**
 * The types of a fragment's values, as PostgreSQL reads them from the text: asked once for each text, then known.
 *
 * Invariants:
 *  1. What is not known is null, and the fragment goes the way that needs no types; nothing waits for an answer twice.
 *  2. A text that PostgreSQL refuses is asked about again: its table may come. One whose table changed is forgotten.
 *  3. At most `MOST` texts are remembered: they come from the code of handlers, which has few.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { type Fragment, render, shapeOf } from "./fragment.ts";
import { type RowShape, rowShapeOf } from "./insert-rows.ts";

export interface TypedRow {
  readonly shape: RowShape;
  readonly types: readonly string[];
}

export interface ShapeTypes {
  /** Null: not an insert of one row, or its types are not to be had. */
  of(fragment: Fragment): Promise<TypedRow | null>;
  /** PostgreSQL refused a statement that was made by them. */
  forget(fragment: Fragment): void;
}

const MOST = 200;

export function createShapeTypes(pool: Pool): ShapeTypes {
  const known = new Map<string, TypedRow | null>();
  let asked = 0;

  async function ask(key: string, fragment: Fragment): Promise<TypedRow | null> {
    const shape = rowShapeOf(fragment);
    const types = shape === null ? null : await typesOf(pool, fragment, `acktor_shape_${++asked}`);
    if (shape !== null && types === null) return null;
    const row = shape === null || types === null || types.some((type) => type.endsWith("[]")) ? null : { shape, types };
    if (known.size < MOST) known.set(key, row);
    return row;
  }

  return {
    async of(fragment) {
      const { key } = shapeOf(fragment);
      const row = known.get(key);
      return row === undefined ? ask(key, fragment) : row;
    },
    forget: (fragment) => void known.delete(shapeOf(fragment).key),
  };
}

/** Null where PostgreSQL does not say. The text is prepared, which runs nothing, and forgotten by its connection. */
async function typesOf(pool: Pool, fragment: Fragment, name: string): Promise<readonly string[] | null> {
  const text = `prepare ${name} as ${render(fragment, 1)};
select array_to_json(parameter_types::text[]) types from pg_prepared_statements where name = '${name}';
deallocate ${name}`;
  const answer = await pool.run<readonly { types?: unknown }[]>(text, [], { simple: true });
  if (!answer.ok) return null;
  const types = answer.rows.flat().find((row) => row.types !== undefined)?.types;
  return Array.isArray(types) ? types.map(String) : null;
}
