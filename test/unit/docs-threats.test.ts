/** Each threat of docs/explanation/security.md has its answer and its test; `npm run check` runs this file, too. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { type TestFiles, threatFaults, threatRows } from "../support/threat-table.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PAGE = path.join(ROOT, "docs/explanation/security.md");
const FEWEST_THREATS = 25;

const repository: TestFiles = {
  read(name) {
    const file = path.join(ROOT, name);
    return existsSync(file) ? readFileSync(file, "utf8") : null;
  },
  security: () =>
    readdirSync(path.join(ROOT, "test/security"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `test/security/${name}`)
      .sort(),
};

test("THREAT-1, THREAT-2: every threat has a test that exists, and every test of strangers is named", () => {
  const page = readFileSync(PAGE, "utf8");
  assert.deepEqual(threatFaults(page, repository), []);
  assert.ok(threatRows(page).length >= FEWEST_THREATS);
});

const SOURCES: Readonly<Record<string, string>> = {
  "test/security/a.test.ts": [
    'test("a name", () => {});',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a template
    "  await t.test(`${N} forged acks change 0 rows, ${how}`, f);",
    '// test("a comment", () => {});',
    ' * test("a comment, too", () => {});',
    'test.skip("left out", () => {});',
    'test("says \\"so\\"", () => {});',
  ].join("\n"),
  "test/unit/b.test.ts": "export const nothing = 1;",
};
const invented: TestFiles = { read: (name) => SOURCES[name] ?? null, security: () => ["test/security/a.test.ts"] };

function pageOf(...rows: readonly string[]): string {
  const table = ["| threat | answer | proof |", "| --- | --- | --- |", ...rows].join("\n");
  return `# Security\n\n## Threats\n\n${table}\n\n## After\n\n\`test/security/a.test.ts\`\n| a | b | c |\n`;
}

const A = "`test/security/a.test.ts`";
const ANSWER = "a long enough answer";

test("a row whose tests exist has no fault", () => {
  for (const proof of [
    A,
    `${A}: “a name”`,
    `${A}: “a name” and “forged acks change 0 rows, twice”`,
    `${A}: “10,000 forged acks change 0 rows, twice”; ${A}`,
    `${A}: “says "so"”`,
  ])
    assert.deepEqual(threatFaults(pageOf(`| x | ${ANSWER} | ${proof} |`), invented), [], proof);
});

const FAULTS: readonly (readonly [row: string, fault: RegExp])[] = [
  [`| x | ${ANSWER} | |`, /names no test file/],
  [`| x | ${ANSWER} | a test that will be written |`, /names no test file/],
  [`| x | ${ANSWER} | test/security/a.test.ts |`, /names no test file/],
  [`| x | ${ANSWER} |`, /2 cells/],
  [`| x | short | ${A} |`, /no answer/],
  [`| | ${ANSWER} | ${A} |`, /no threat/],
  [`| x | ${ANSWER} | \`test/security/none.test.ts\` |`, /none\.test\.ts does not exist/],
  [`| x | ${ANSWER} | ${A}, \`test/security/none.test.ts\` |`, /none\.test\.ts does not exist/],
  [`| x | ${ANSWER} | \`test/unit/b.test.ts\` |`, /declares no test/],
  [`| x | ${ANSWER} | ${A}: “another name” |`, /has no test “another name”/],
  [`| x | ${ANSWER} | ${A}: “a name”, “another name” |`, /has no test “another name”/],
  [`| x | ${ANSWER} | ${A}: “name” |`, /has no test “name”/],
  [`| x | ${ANSWER} | ${A}: “a comment” |`, /has no test “a comment”/],
  [`| x | ${ANSWER} | ${A}: “a comment, too” |`, /has no test/],
  [`| x | ${ANSWER} | ${A}: “left out” |`, /has no test “left out”/],
  [`| x | ${ANSWER} | ${A}: “” |`, /has no test “”/],
  [`| x | ${ANSWER} | ${A}: “a name |`, /has no end/],
  [`| x | ${ANSWER} | “a name” in ${A} |`, /before its file/],
];
for (const [row, fault] of FAULTS) {
  test(`THREAT-1: ${row} is a fault`, () => {
    const found = threatFaults(pageOf(`| good | ${ANSWER} | ${A} |`, row), invented);
    assert.equal(found.length, 1, found.join());
    assert.match(found[0] ?? "", fault);
  });
}

test("THREAT-2: a test of strangers that the page does not name is a fault, and so is a page without the table", () => {
  const page = pageOf(`| x | ${ANSWER} | ${A} |`).replaceAll("security/a", "unit/b");
  assert.match(threatFaults(page, invented).join(), /security\/a\.test\.ts is named nowhere/);
  assert.match(threatFaults("# Security", invented).join(), /no table/);
});
