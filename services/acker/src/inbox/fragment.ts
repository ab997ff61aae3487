/**
 * A handler's effect as one SQL fragment, which commits in the same statement as the inbox.
 *
 * Values are text, numbers, booleans, bytes, dates or null. They reach PostgreSQL as text, which it reads by the
 * parameter's type. JSON is given as text.
 *
 * Invariants:
 *  FRAGMENT-1. Values never become SQL text: the `sql` template alone makes a fragment, its values are parameters.
 *  FRAGMENT-2. Fragments share a statement only where the result is the same as one by one: one statement changes a row
 *              at most once, so two updates of a row would lose one (PostgreSQL, "Data-Modifying Statements in WITH").
 *              Only plain inserts share.
 */
import type { Param } from "@acktor/shared/db/pool";

export type FragmentValue = string | number | bigint | boolean | null | Date | Uint8Array;

export interface Fragment {
  readonly kind: "fragment";
  /** Text between the values; one more than these. */
  readonly texts: readonly string[];
  readonly values: readonly Param[];
}

/**
 * One statement (insert, update, delete, merge, or select of a function), as
 * ``sql`insert into readings (id, celsius) values (${message.id}, ${celsius})` ``.
 * Throws on a value of another type, which rejects the message.
 */
export function sql(texts: TemplateStringsArray, ...values: readonly FragmentValue[]): Fragment {
  // FRAGMENT-1. The template's own texts are frozen and the same object for every message: `shapeOf` uses them as a key.
  return { kind: "fragment", texts, values: values.map(toParam) };
}

const shapes = new WeakMap<readonly string[], Shape>();

/** What is known of a fragment without its values. */
export interface Shape {
  /** The same for two fragments that differ in their values alone. */
  readonly key: string;
  readonly isPlainInsert: boolean;
}

/** Computed once for each template, not for each message. */
export function shapeOf({ texts }: Fragment): Shape {
  const known = shapes.get(texts);
  if (known !== undefined) return known;
  const shape = { key: texts.join("\u0000"), isPlainInsert: isPlainInsert(texts) };
  shapes.set(texts, shape);
  return shape;
}

const INSERT = /^\s*insert\s+into\b/i;
/** Matches in names and literals as well: such a fragment merely has its own statement. */
const SEES_OTHERS = /\b(select|table|update|delete|merge|with)\b/i;

/** FRAGMENT-2: true when it neither reads nor changes what another fragment of its statement may change. */
function isPlainInsert(texts: readonly string[]): boolean {
  return INSERT.test(texts[0] ?? "") && !texts.some((text) => SEES_OTHERS.test(text));
}

/** True when the fragment is a query: in a CTE it runs only when its rows are read. */
export function isQuery({ texts }: Fragment): boolean {
  return /^\s*(select|table|values)\b/i.test(texts[0] ?? "");
}

/** Its text, with parameters from `$from` on. */
export function render({ texts }: Fragment, from: number): string {
  return texts.reduce((all, text, i) => `${all}$${from + i - 1}${text}`);
}

function toParam(value: FragmentValue): Param {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") {
    if (value.includes("\u0000")) throw new TypeError("PostgreSQL has no NUL in a text");
    return value.toWellFormed();
  }
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  throw new TypeError(
    `a value of a fragment is ${typeof value}: give text, a number, a boolean, bytes, a Date or null`,
  );
}
