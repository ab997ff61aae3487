/**
 * Patches TypeScript sources independently of their formatting. Fragments are compared token by token: line breaks,
 * indentation, comments and trailing commas do not matter. A backtick is one token, so SQL in a template is compared word by
 * word.
 *
 * Invariants:
 *  PATCH-1. A patch applies to exactly one place. Otherwise it fails with the number of places.
 *  PATCH-2. All bytes outside of that place stay unchanged.
 */
interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type Patched = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly found: number };

const SPACE_OR_COMMENT = /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const TEXT = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;
const REGULAR_EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
const WORD = /[#$\w]+/y;
/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_EXPRESSION = new Set(["(", ",", "=", ":", "[", "!", "&", "|", "?", "{", "}", ";", ">", "return"]);
const CLOSING = new Set([")", "]", "}"]);

/** Replaces the only place with the tokens of `fragment`. */
export function patchTokens(source: string, fragment: string, replacement: string): Patched {
  const tokens = tokensOf(source);
  const wanted = tokensOf(fragment);
  const places = tokens.flatMap((_, at) => (matchesAt(tokens, wanted, at) ? [at] : []));
  const [at] = places;
  const first = at === undefined ? undefined : tokens[at];
  const last = at === undefined ? undefined : tokens[at + wanted.length - 1];
  // PATCH-1
  if (places.length !== 1 || first === undefined || last === undefined) return { ok: false, found: places.length };
  // PATCH-2
  return { ok: true, text: source.slice(0, first.start) + replacement + source.slice(last.end) };
}

function matchesAt(tokens: readonly Token[], wanted: readonly Token[], at: number): boolean {
  return wanted.length > 0 && wanted.every((token, i) => tokens[at + i]?.text === token.text);
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length; ) {
    const skipped = endOf(SPACE_OR_COMMENT, source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const end = endOfToken(source, at, tokens.at(-1)?.text);
    const text = source.slice(at, end);
    // A trailing comma is the formatter's choice.
    if (CLOSING.has(text) && tokens.at(-1)?.text === ",") tokens.pop();
    tokens.push({ text, start: at, end });
    at = end;
  }
  return tokens;
}

function endOfToken(source: string, at: number, before: string | undefined): number {
  const mayBeExpression = before === undefined || BEFORE_EXPRESSION.has(before);
  const kinds = mayBeExpression ? [TEXT, REGULAR_EXPRESSION, WORD] : [TEXT, WORD];
  for (const kind of kinds) {
    const end = endOf(kind, source, at);
    if (end > at) return end;
  }
  return at + 1;
}

function endOf(pattern: RegExp, source: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(source) ? pattern.lastIndex : at;
}
