/**
 * The figures of docs/adr/0020-ports-and-process.md, measured on this tree.
 *
 *   node --import tsx --conditions=source test/check/measure.ts                the table
 */
import { findIdioms } from "./idioms.ts";
import { collectInvariants, findInvariants } from "./invariants.ts";
import { findReferences } from "./references.ts";
import { findFunctionFields, findLongFiles, findLongFunctions, findWiring, linesIn, PACKAGES } from "./sizes.ts";
import { type Finding, listProduct, read } from "./tree.ts";

/** The files that put a service together. */
const ASSEMBLY = /^services\/(publisher|acker)\/src\/(app|publisher|acker|supervised-acker|assemble|assembly)\.ts$/;

printTable();

function printTable(): void {
  const rows: (readonly [figure: string, value: string])[] = [];
  for (const folder of PACKAGES) {
    const fields = findFunctionFields(folder).length;
    const lines = linesIn(folder);
    rows.push([`function-typed fields per 1,000 lines, ${folder}`, `${rate(fields, lines)} (${fields} in ${lines})`]);
  }
  const isService = ({ path }: Finding): boolean => /^(services|shared)\//.test(path);
  rows.push(["functions over 50 lines (services and shared; tools)", pair(findLongFunctions(), isService)]);
  rows.push(["files over 350 lines (services and shared; tools)", pair(findLongFiles(), isService)]);
  rows.push(["product lines, services and shared without the console", String(sum(PACKAGES.map(linesIn)))]);
  const { defined, inCode, inTests } = collectInvariants();
  const both = defined.filter(({ name }) => inCode.has(name) && inTests.has(name)).length;
  const unnamed = findInvariants().filter(({ text }) => text.startsWith("an invariant without")).length;
  rows.push([
    "invariants: named / cited in code and by a test / without a name",
    `${defined.length} / ${both} / ${unnamed}`,
  ]);
  rows.push(["lambdas that bind a part in an assembly", String(findWiring().length)]);
  rows.push(["banned idioms", String(findIdioms().length)]);
  rows.push(["dangling references", String(findReferences().length)]);
  const assembly = listProduct().filter((path) => ASSEMBLY.test(path));
  rows.push([`lines of assembly (${assembly.join(", ")})`, String(sum(assembly.map(lineCount)))]);
  for (const [figure, value] of rows) console.log(`| ${figure} | ${value} |`);
}

function pair(findings: readonly Finding[], isFirst: (one: Finding) => boolean): string {
  const first = findings.filter(isFirst).length;
  return `${first}; ${findings.length - first}`;
}

function lineCount(path: string): number {
  return read(path).split("\n").length - 1;
}

function rate(count: number, lines: number): string {
  return ((count * 1000) / lines).toFixed(1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
