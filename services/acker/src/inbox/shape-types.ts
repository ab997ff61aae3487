/**
 * The types of a fragment's values, as PostgreSQL reads them from the text: asked once for each text, then remembered.
 *
 * Invariants:
 *  SHAPE-1. A fragment whose types are unknown (null) is written in the form that needs no types.
 *  SHAPE-2. A text that PostgreSQL refuses is asked about again: its table may be created later. A text whose table has
 *           changed is forgotten.
 */
import type { Pool } from "@acktor/shared/db/pool";
import { type Fragment, render, shapeOf } from "./fragment.ts";
import { type RowShape, rowShapeOf } from "./insert-rows.ts";

export interface TypedRow {
  readonly shape: RowShape;
  readonly types: readonly string[];
}

/** How fragments of one shape become one insert of many rows. */
export interface Shapes {
  /** Null: not an insert of one row, or its types are unknown. */
  of(fragment: Fragment): Promise<TypedRow | null>;
  /** PostgreSQL refused a statement that used them. */
  forget(fragment: Fragment): void;
}

/** Texts that are remembered: they come from the code of handlers, which has few. */
const MOST = 200;

export class ShapeTypes implements Shapes {
  readonly #pool: Pool;
  readonly #known = new Map<string, TypedRow | null>();
  #asked = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async of(fragment: Fragment): Promise<TypedRow | null> {
    const { key } = shapeOf(fragment);
    const row = this.#known.get(key);
    return row === undefined ? this.#ask(key, fragment) : row;
  }

  forget(fragment: Fragment): void {
    this.#known.delete(shapeOf(fragment).key);
  }

  async #ask(key: string, fragment: Fragment): Promise<TypedRow | null> {
    const shape = rowShapeOf(fragment);
    const types = shape === null ? null : await this.#typesOf(fragment);
    // SHAPE-2
    if (shape !== null && types === null) return null;
    // SHAPE-1
    const row = shape === null || types === null || types.some((type) => type.endsWith("[]")) ? null : { shape, types };
    if (this.#known.size < MOST) this.#known.set(key, row);
    return row;
  }

  /** Null where PostgreSQL refuses the text. `prepare` runs nothing, and the connection forgets the text. */
  async #typesOf(fragment: Fragment): Promise<readonly string[] | null> {
    const name = `acktor_shape_${++this.#asked}`;
    const text = `prepare ${name} as ${render(fragment, 1)};
select array_to_json(parameter_types::text[]) types from pg_prepared_statements where name = '${name}';
deallocate ${name}`;
    const answer = await this.#pool.run<readonly { types?: unknown }[]>(text, [], { simple: true });
    if (!answer.ok) return null;
    const types = answer.rows.flat().find((row) => row.types !== undefined)?.types;
    return Array.isArray(types) ? types.map(String) : null;
  }
}
