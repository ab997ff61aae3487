/**
 * A handler's effect as one SQL fragment, which commits in the same statement as the inbox.
 *
 * Invariants:
 *  1. Values never become SQL text: a fragment is made by the `sql` template alone, its values are parameters.
 *  2. Values are text, numbers, booleans, bytes, dates or null; they reach PostgreSQL as text, which it reads by the
 *     parameter's type. JSON is given as text.
 *  3. Several fragments share a statement only when that cannot be seen: one statement changes a row at most once, so
 *     two updates of a row would lose one (PostgreSQL, "Data-Modifying Statements in WITH"). So plain inserts only.
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
 * Throws on a value that is none, which rejects the message.
 */
export function sql(texts: TemplateStringsArray, ...values: readonly FragmentValue[]): Fragment {
  return { kind: "fragment", texts: [...texts], values: values.map(toParam) };
}

/** The same for two fragments that differ in their values alone. */
export function shapeOf(fragment: Fragment): string {
  return fragment.texts.join("\u0000");
}

const INSERT = /^\s*insert\s+into\b/i;
/** Also in names and literals: then it merely has a statement of its own. */
const SEES_OTHERS = /\b(select|table|update|delete|merge|with)\b/i;

/** True when it neither reads nor changes what another fragment of its statement may change. */
export function isPlainInsert({ texts }: Fragment): boolean {
  return INSERT.test(texts[0] ?? "") && !texts.some((text) => SEES_OTHERS.test(text));
}

/** True when the fragment is a query, which runs only when something asks for its rows. */
export function isQuery({ texts }: Fragment): boolean {
  return /^\s*(select|table|values)\b/i.test(texts[0] ?? "");
}

/** Its text with parameters from `$from` on. */
function render({ texts }: Fragment, from: number): string {
  return texts.reduce((all, text, i) => `${all}$${from + i - 1}${text}`);
}

const CAST = String.raw`(?:::\s*[a-z_][\w. ]*\s*)*`;
const ROW_HEAD = /^(\s*insert\s+into\s+[^()'"]+(?:\([^()'"]*\))?\s*values\s*)\(\s*$/i;
const ROW_BETWEEN = new RegExp(String.raw`^\s*${CAST}\s*,\s*$`, "i");
const ROW_TAIL = new RegExp(String.raw`^(\s*${CAST}\s*\))(\s*(?:on\s+conflict\s+do\s+nothing)?\s*)$`, "i");

/**
 * The statements of fragments of one shape, as bodies of CTEs, with parameters from `$from` on. Inserts of one row become one
 * insert of many: a third of the cost of as many inserts, and the same effect.
 */
export function renderAll(fragments: readonly Fragment[], from: number): string[] {
  const [first] = fragments;
  if (first === undefined) return [];
  const head = ROW_HEAD.exec(first.texts[0] ?? "")?.[1];
  const tail = ROW_TAIL.exec(first.texts.at(-1) ?? "");
  const isRow = head !== undefined && tail !== null && first.texts.slice(1, -1).every((text) => ROW_BETWEEN.test(text));
  const width = first.values.length;
  if (fragments.length === 1 || !isRow) return fragments.map((fragment, i) => render(fragment, from + i * width));
  const row: Fragment = { ...first, texts: ["(", ...first.texts.slice(1, -1), tail[1] ?? ""] };
  return [`${head}${fragments.map((_, i) => render(row, from + i * width)).join(",")}${tail[2]}`];
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
