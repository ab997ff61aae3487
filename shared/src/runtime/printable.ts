/**
 * Makes foreign text safe for a terminal, a log or a line of JSON. Pure.
 *
 * A topic, a payload, a reason, or any field of an answer may hold escape sequences that move the cursor, change the
 * title, set the clipboard or hide what was written before, and characters that make a text look like another.
 *
 * Invariants:
 *  SHOW-1. The result has no C0 or C1 control (a terminal in 8-bit mode reads U+009B as ESC [), no DEL, no line or
 *          paragraph separator, nothing that turns the direction of writing, nothing invisible, and no noncharacter.
 *  SHOW-2. An escape shows the original character, as `\u001b`; JSON keeps its value.
 *  SHOW-3. Emoji joined by U+200D, variation selectors, and Japanese ideographic variants are shown as they are.
 */

/**
 * SHOW-1, SHOW-3. Default_Ignorable_Code_Point covers bidi controls, zero-width characters, soft hyphens, Hangul fillers and tags. Of
 * these, variation selectors stay, and a joiner inside an emoji.
 */
const UNPRINTABLE =
  /(?<!\p{Script=Han})[\u{e0100}-\u{e01ef}]|(?<!\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d|\u200d(?!\p{Extended_Pictographic})|(?!\u200d|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}])[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\ufff9-\ufffb]/gu;
/** Most texts need no replacement; this test costs a tenth. */
const PLAIN = /^[ -~]*$/;
const PLAIN_JSON = /^[ -~\n]*$/;

const LONGEST = 2_000;

/**
 * Any text as one line.
 * @param limit characters before the …
 */
export function printable(text: string, limit = LONGEST): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  // SHOW-2
  return PLAIN.test(cut) ? cut : cut.toWellFormed().replace(UNPRINTABLE, spell);
}

/** The same for a text whose line ends are meant, as a stack trace or a table. Of any length. */
export function printableLines(text: string): string {
  return text
    .split("\n")
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join("\n");
}

/** One line of JSON. `JSON.stringify` leaves DEL, C1 controls and U+2028 as they are, and so do most writers of JSON. */
export function jsonLine(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

/** Escapes what must not be shown in a text that is JSON already; its value stays the same. */
export function escapeJson(json: string): string {
  return PLAIN_JSON.test(json) ? json : json.replace(UNPRINTABLE, spellForJson);
}

/**
 * A copy of an answer whose every text, names of members included, is printable. People are shown this copy.
 * @param value as JSON.parse gives it
 */
export function printableCopy<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value === "string") return printable(value);
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [printable(name), copyOf(inner)]));
}

function spell(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** JSON knows UTF-16 units alone. A line end stands between lines only: within a text it is escaped already. */
function spellForJson(character: string): string {
  if (character === "\n") return character;
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
