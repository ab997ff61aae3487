/**
 * What of a file people read as language: comments and string literals of code, and pages without their code.
 *
 * Everything else is masked, character by character, so that offsets stay those of the file. Line breaks and the marks of
 * comments become spaces: a phrase that a line break divides is found.
 */
import type { Node } from "../../tools/workshop/parser.ts";
import { nodesOf } from "./syntax.ts";
import { parse, read } from "./tree.ts";

/** Between two pieces of prose. No pattern matches it. */
const GAP = "\u0000";

const known = new Map<string, string>();

/** The file's text with everything masked that is not prose. */
export function proseOf(path: string): string {
  const before = known.get(path);
  if (before !== undefined) return before;
  const prose = maskOf(path);
  known.set(path, prose);
  return prose;
}

function maskOf(path: string): string {
  if (/\.(tsx?|mjs)$/.test(path)) return proseOfCode(path);
  if (path.endsWith(".md")) return proseOfPage(read(path));
  if (path.endsWith(".sql")) return proseOfSql(read(path));
  return proseOfScript(read(path));
}

function proseOfCode(path: string): string {
  const text = read(path);
  const { program, comments } = parse(path);
  const spans: (readonly [start: number, end: number])[] = comments.map(({ start, end }) => [start, end]);
  for (const { node, parent } of nodesOf(program)) {
    if (isText(node, parent)) spans.push(within(text, node));
  }
  return keep(text, spans, /^[ \t]*(\/\*\*?|\*\/|\*|\/\/)|\*\/|\/\*\*?|(?<=\s)\/\/ /gm);
}

/** The span of a text; of a template's part without the marks around it. */
function within(text: string, { type, start, end }: Node): readonly [start: number, end: number] {
  if (type !== "TemplateElement") return [start, end];
  const part = text.slice(start, end);
  return [start + (/^[`}]/.test(part) ? 1 : 0), end - (/(`|\$\{)$/.exec(part)?.[0].length ?? 0)];
}

/** Literals with a space in them, template texts and JSX texts. A literal of one small word is a name. */
function isText(node: Node, parent: Node | null): boolean {
  if (node.type === "TemplateElement" || node.type === "JSXText") return true;
  if (node.type !== "Literal" || typeof node.value !== "string") return false;
  if (parent !== null && /^(Import|Export)/.test(parent.type)) return false;
  return !/^[a-z0-9_$./:@#*-]*$/.test(node.value);
}

function proseOfPage(text: string): string {
  const withoutCode = text
    .replace(/^([ \t]*)(```|~~~)[\s\S]*?^\1\2/gm, blank)
    .replace(/<!--[\s\S]*?-->/g, blank)
    .replace(/\]\([^)]*\)/g, blank)
    .replace(/`[^`\n]*`/g, blank);
  return withoutCode.replace(/\n(?=\s*(\n|[-*|#]|\d+\. ))/g, GAP).replace(/\n/g, " ");
}

export function proseOfSql(text: string): string {
  return keep(text, textSpans(text, /--.*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g), /^[ \t]*--|\/\*|\*\//gm);
}

function proseOfScript(text: string): string {
  return keep(text, textSpans(text, /(?:^|[ \t])#.*|'[^'\n]*'|"[^"\n]*"/gm), /^[ \t]*#/gm);
}

/** Every comment, and the literals that hold a space. All literals are matched, so that no closing quote opens one. */
function textSpans(text: string, pattern: RegExp): (readonly [start: number, end: number])[] {
  return [...text.matchAll(pattern)]
    .filter(([match]) => !/^['"]/.test(match) || match.includes(" "))
    .map((match) => [match.index, match.index + match[0].length]);
}

/** Masks what lies outside the spans; joins two that only white space divides; blanks marks and inline code in them. */
function keep(text: string, spans: readonly (readonly [number, number])[], marks: RegExp): string {
  const sorted = [...spans].sort(([a], [b]) => a - b);
  let prose = "";
  for (const [start, end] of sorted) {
    if (start < prose.length) continue;
    const between = text.slice(prose.length, start);
    const isJoined = /^[ \t]*\n[ \t]*$/.test(between) && !text.slice(start, end).startsWith("/*");
    prose += isJoined ? between : GAP.repeat(between.length);
    prose += text.slice(start, end).replace(marks, (mark) => " ".repeat(mark.length));
  }
  return prose
    .padEnd(text.length, GAP)
    .replace(/`[^`\n]*`/g, blank)
    .replace(/\n(?=[ \t]*(\n|[-*|@] |\d+\. |[A-Z_]+-\d+\.))/g, GAP)
    .replace(/\n/g, " ");
}

function blank(text: string): string {
  return GAP.repeat(text.length);
}
