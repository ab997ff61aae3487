/**
 * References that lead nowhere: to documents outside this repository, to files, pages and headings that do not exist.
 *
 *   node --import tsx --conditions=source test/check/references.ts [path prefix …]
 *
 * Relative links of pages are held by test/unit/docs-links.test.ts.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { anchorsIn } from "../support/anchors.ts";
import { proseOf } from "./prose.ts";
import { type Finding, lineAt, listFiles, ROOT, read, runAsCommand } from "./tree.ts";

/** Documents, chapters and scenario numbers of a specification that is not part of this repository. */
const OUTSIDE =
  /\b(?:SPEC|ENGINE|PITFALLS|FAULTS|DESIGN|FIELD|STYLE)\b(?:[ ,]*(?:\d+|words|rule \d+|I\d+|decision \d*))?|\bS(?:[1-9]|1\d|2[0-5])\b/g;

/** A path from the root, with a heading where one follows. */
const PATH = /(?<![\w/.@<>-])(?:docs|services|shared|tools|test)\/[\w./*<>-]*[\w*>](?:#[\w-]+)?/g;

/** A file's name alone. */
const NAME = /(?<![\w/.@<>*-])[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.(?:tsx?|mjs|sql|md)\b/g;

const OWN = /^test\/check\//;

/** Examples in tests of the checks of pages, and what a build makes. */
const MADE_UP = /^test\/(?:security|unit)\/(?:a|b|none)\.test\.ts$|\/dist(?:\/|$)/;

export function findReferences(): Finding[] {
  const files = listFiles();
  const names = new Set(files.map((path) => basename(path)));
  return files
    .filter((path) => !OWN.test(path))
    .flatMap((path) => {
      const prose = proseOf(path);
      return [
        ...found(path, prose, OUTSIDE, (words) => `“${words}” is not in this repository`),
        ...found(path, commentsAndPages(path), PATH, (target) =>
          leadsSomewhere(target) ? null : `${target} does not exist`,
        ),
        ...found(path, prose, NAME, (name) => (names.has(name) ? null : `there is no file ${name}`)),
      ];
    });
}

function found(path: string, text: string, pattern: RegExp, judge: (words: string) => string | null): Finding[] {
  return [...text.matchAll(pattern)].flatMap((match) => {
    const fault = judge(match[0].replace(/\s+/g, " "));
    return fault === null ? [] : [{ path, line: lineAt(read(path), match.index), text: fault }];
  });
}

/** Paths in pages are written in code spans, so pages are read as they are. */
function commentsAndPages(path: string): string {
  return path.endsWith(".md") ? "" : proseOf(path);
}

/** True for a file, a folder, a heading of a page, and for a pattern or the beginning of a name that something matches. */
function leadsSomewhere(target: string): boolean {
  if (/[*<>]/.test(target) || MADE_UP.test(target)) return true;
  const [path = "", anchor] = target.split("#");
  const place = join(ROOT, path);
  if (existsSync(place)) return anchor === undefined || anchorsIn(read(path)).includes(anchor);
  const folder = dirname(place);
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(basename(place)));
}

runAsCommand(import.meta.url, findReferences);
