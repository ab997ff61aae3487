/** The repository's files, for the checks, and what each check prints. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ParseResult, parseSync } from "../../tools/workshop/parser.ts";

/** One place that a check objects to. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

export const ROOT = resolve(import.meta.dirname, "../..");

/** The directories that findings are grouped by, longest first where one lies in another. */
const AREAS = [
  "services/publisher/console",
  "services/publisher",
  "services/acker",
  "shared",
  "tools/chaos",
  "tools/cli",
  "tools/compose",
  "tools/embedded",
  "docs",
  "test",
];

const SKIPPED = new Set(["node_modules", "dist", ".git", "coverage"]);
const GENERATED = new Set(["services/publisher/console/src/chart/charts.ts"]);

const texts = new Map<string, string>();
const parsed = new Map<string, ParseResult>();

/** Every text file of the repository that people write: code, SQL, pages, and the scripts around them. */
export function listFiles(): string[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith(".md"));
  const extra = [".ci/run", "docker-compose.yml", "Dockerfile"].filter((path) => existsSync(join(ROOT, path)));
  const roots = ["services", "shared", "tools", "test", "docs"];
  return [...top, ...extra, ...roots.flatMap((folder) => walk(join(ROOT, folder)))].filter(
    (path) => !GENERATED.has(path),
  );
}

/** Product code: TypeScript of the services, of `shared` and of the tools. */
export function listProduct(): string[] {
  return listFiles().filter((path) => /^(services|shared|tools)\/.*\.tsx?$/.test(path) && !path.endsWith(".d.ts"));
}

export function read(path: string): string {
  const known = texts.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(join(ROOT, path), "utf8");
  texts.set(path, text);
  return text;
}

/** The syntax tree and the comments of a TypeScript or JavaScript file. */
export function parse(path: string): ParseResult {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const result = parseSync(path, read(path));
  if (result.errors.length > 0) throw new Error(`${path}: ${result.errors[0]?.message}`);
  parsed.set(path, result);
  return result;
}

export function areaOf(path: string): string {
  return AREAS.find((area) => path.startsWith(`${area}/`)) ?? "top";
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

/**
 * Prints the findings under the path prefixes of the command line (all without one) when `url` is the program that runs.
 * Ends with exit code 1 when there are any.
 */
export function runAsCommand(url: string, find: () => Finding[]): void {
  const program = process.argv[1];
  if (program === undefined || resolve(program) !== fileURLToPath(url)) return;
  const prefixes = process.argv.slice(2).map((path) => relative(ROOT, resolve(path)));
  const findings = find().filter(({ path }) => prefixes.length === 0 || prefixes.some((p) => path.startsWith(p)));
  for (const { path, line, text } of findings) console.log(`${path}:${line}: ${text}`);
  console.log(`${findings.length} findings`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path);
    return /\.(tsx?|mjs|sql|md|yml|sh)$/.test(entry.name) ? [relative(ROOT, path)] : [];
  });
}
