/**
 * The table of threats in docs/explanation/security.md, checked: each row has its answer and its test. Pure.
 *
 * Invariants:
 *  THREAT-1. A row names the test files that prove it; each exists, and each name in “…” is a test that is declared in the
 *            file named before it. A comment, a skipped test or a part of a name does not count.
 *  THREAT-2. Every file of test/security is named on the page.
 */

/** The repository's test files, as the check sees them. */
export interface TestFiles {
  /** Null when the file does not exist. */
  read(path: string): string | null;
  /** Paths of all files in test/security. */
  security(): readonly string[];
}

const HEADING = "## Threats";
const FILE = /`(test\/[\w./-]+\.test\.ts)`/;
const SHORTEST_ANSWER = 10;

/** The page's faults, one sentence each. @param page text of security.md */
export function threatFaults(page: string, files: TestFiles): string[] {
  const unnamed = files
    .security()
    .filter((path) => !page.includes(`\`${path}\``))
    .map((path) => `${path} is named nowhere on the page`);
  const rows = threatRows(page);
  if (rows.length === 0) return [`there is no table under ${HEADING}`, ...unnamed];
  return [...rows.flatMap((row) => rowFaults(row, files)), ...unnamed];
}

/** Rows of the table without its head. */
export function threatRows(page: string): string[][] {
  const section = page.split(`\n${HEADING}\n`)[1]?.split("\n## ")[0] ?? "";
  const lines = section.split("\n").filter((line) => line.trimStart().startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

function rowFaults(cells: readonly string[], files: TestFiles): string[] {
  const [threat = "", answer = "", proof = ""] = cells;
  const about = (fault: string): string => `“${threat}”: ${fault}`;
  if (cells.length !== 3) return [about(`has ${cells.length} cells instead of 3`)];
  if (threat === "" || answer.length < SHORTEST_ANSWER) return [about("has no threat, or no answer")];
  const [before = "", ...parts] = proof.split(new RegExp(FILE, "g"));
  if (parts.length === 0) return [about("names no test file")];
  const faults = /“/.test(before) ? [about("names a test before its file")] : [];
  for (let at = 0; at < parts.length; at += 2)
    faults.push(...proofFaults(parts[at] ?? "", parts[at + 1] ?? "", files).map(about));
  return faults;
}

/** @param rest what follows the file in the cell, up to the next one */
function proofFaults(path: string, rest: string, files: TestFiles): string[] {
  const source = files.read(path);
  if (source === null) return [`${path} does not exist`];
  const titles = testTitles(source);
  if (titles.length === 0) return [`${path} declares no test`];
  if ((rest.match(/“/g)?.length ?? 0) !== (rest.match(/”/g)?.length ?? 0)) return [`a quotation of ${path} has no end`];
  return [...rest.matchAll(/“([^”]*)”/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !titles.some((title) => title.test(name)))
    .map((name) => `${path} has no test “${name}”`);
}

/**
 * Names of the tests that a file declares. A template's placeholder matches any text, and at either end also no text. A variant at
 * the end of a template (`, PostgreSQL ${version}`) may be omitted.
 */
export function testTitles(source: string): RegExp[] {
  const code = source.replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, "");
  return [...code.matchAll(/\btest\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/g)].flatMap(([, quote, title = ""]) => {
    if (quote !== "`") return [titlePattern([title.replace(/\\(.)/g, "$1")])];
    const common = title.replace(VARIANT, "");
    return [...new Set([title, common])].map((text) => titlePattern(text.split(/\$\{[^}]*\}/)));
  });
}

const VARIANT = /[,:] [^,:]*\$\{.*$/s;

function titlePattern(parts: readonly string[]): RegExp {
  const quoted = parts.map((part) => part.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${quoted.join("\\s*.*?\\s*")}$`, "s");
}
