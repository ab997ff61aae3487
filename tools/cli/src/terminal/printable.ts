/**
 * Foreign text made safe for a terminal: a topic, a payload or a reason may hold escape sequences that move the cursor,
 * change the title or hide what was written before.
 */

const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Control characters and what turns the direction of writing, as `\u001b`. @param limit characters before the … */
export function printable(text: string, limit = 2_000): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.toWellFormed().replace(CONTROL, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}
