/** How many terminal columns a text takes: two for wide characters (Chinese, Japanese, Korean, most emoji). */
import { withoutMarks } from "@acktor/shared/runtime/terminal-door";
import { eastAsianWidth } from "get-east-asian-width";

const SEGMENTS = new Intl.Segmenter();
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
/** A picture, also of several characters joined, is two columns wide. */
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
const PLAIN = /^[\u0020-\u007e]*$/;

/** Columns; colours take none. Characters of ambiguous width count as narrow, which is the default of terminals. */
export function textWidth(text: string): number {
  const bare = withoutMarks(text);
  if (PLAIN.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of SEGMENTS.segment(bare)) width += segmentWidth(segment);
  return width;
}

function segmentWidth(segment: string): number {
  if (ZERO_WIDTH.test(segment)) return 0;
  if (EMOJI.test(segment)) return 2;
  return eastAsianWidth(segment.codePointAt(0) ?? 0);
}

/** The longest beginning that fits into `columns`, with … if something was cut; a cut text has no colour. */
export function fitText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  const bare = withoutMarks(text);
  let fitted = "";
  let width = 0;
  for (const { segment } of SEGMENTS.segment(bare)) {
    width += segmentWidth(segment);
    if (width > columns - 1) break;
    fitted += segment;
  }
  return `${fitted}…`;
}

/** Filled with blanks to `columns`. */
export function padText(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - textWidth(text)));
}
