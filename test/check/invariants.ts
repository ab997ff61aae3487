/**
 * The promises in file headers: named once in the repository, cited where they are kept and in the test that holds them.
 *
 *   node --import tsx --conditions=source test/check/invariants.ts [path prefix …]
 *
 * A header defines one as ` *  SETTLER-2. Text.` under `Invariants:`. Code cites it as `// SETTLER-2` or
 * `// SETTLER-2: why` at the line that keeps it, a test in its title or in a comment.
 */
import { type Finding, listFiles, read, runAsCommand } from "./tree.ts";

interface Invariant {
  readonly name: string;
  readonly path: string;
  readonly line: number;
}

/** A definition: a comment's line that begins with the name and a full stop. */
const DEFINITION = /^\s*(?:\*|--)\s+([A-Z][A-Z0-9_]*-\d+)\.\s/;
/** What older headers have: a bare number under `Invariants:`, or the name in a sentence. */
const UNNAMED = /^\s*(?:\*|--)\s+(\d+)\.\s/;
const HEADING = /^\s*(?:\/\*\*|\*|--)\s*(.*)?\bInvariants?\b.*:\s*$/;
const IN_A_SENTENCE = /\bInvariants?\b[^:\n]*:\s*\S/;
const NAME = /\b[A-Z][A-Z0-9_]*-\d+\b/g;

export interface Ledger {
  readonly defined: readonly Invariant[];
  /** Names that product code cites outside their definition. */
  readonly inCode: ReadonlySet<string>;
  readonly inTests: ReadonlySet<string>;
}

export function collectInvariants(): Ledger {
  const defined: Invariant[] = [];
  const inCode = new Set<string>();
  const inTests = new Set<string>();
  for (const path of listFiles().filter((file) => /\.(tsx?|mjs|sql)$/.test(file) && !file.startsWith("test/check/"))) {
    const isTest = path.startsWith("test/");
    read(path)
      .split("\n")
      .forEach((text, at) => {
        const name = isTest ? undefined : DEFINITION.exec(text)?.[1];
        if (name !== undefined) defined.push({ name, path, line: at + 1 });
        const cited = isTest ? inTests : inCode;
        for (const [other] of text.matchAll(NAME)) if (other !== name) cited.add(other);
      });
  }
  return { defined, inCode, inTests };
}

export function findInvariants(): Finding[] {
  const { defined, inCode, inTests } = collectInvariants();
  const seen = new Map<string, Invariant>();
  const findings: Finding[] = findUnnamed();
  for (const one of defined) {
    const { name, path, line } = one;
    const first = seen.get(name);
    if (first === undefined) seen.set(name, one);
    else findings.push({ path, line, text: `${name} is defined in ${first.path}, too` });
    if (!inCode.has(name)) findings.push({ path, line, text: `${name} is not cited where it is kept` });
    if (!inTests.has(name)) findings.push({ path, line, text: `${name} is not cited by a test` });
  }
  return [...findings, ...findUndefined(seen)];
}

/** Invariants of the older forms. */
function findUnnamed(): Finding[] {
  return listFiles()
    .filter((path) => /^(services|shared|tools)\/.*\.(tsx?|mjs|sql)$/.test(path))
    .flatMap((path) => {
      let isUnder = false;
      return read(path)
        .split("\n")
        .flatMap((text, at) => {
          if (HEADING.test(text)) isUnder = true;
          else if (/\*\/|^\s*$|^[^\s*-]/.test(text)) isUnder = false;
          const isBare = isUnder && UNNAMED.test(text);
          const isSentence = /^\s*(\/\*\*|\/\/|\*|--)/.test(text) && IN_A_SENTENCE.test(text);
          return isBare || isSentence ? [{ path, line: at + 1, text: "an invariant without a name: NAME-1." }] : [];
        });
    });
}

/** Citations of a number that a known part does not have. */
function findUndefined(defined: ReadonlyMap<string, Invariant>): Finding[] {
  const parts = new Set([...defined.keys()].map(partOf));
  return listFiles()
    .filter((path) => !path.startsWith("test/check/"))
    .flatMap((path) =>
      read(path)
        .split("\n")
        .flatMap((text, at) =>
          [...text.matchAll(NAME)]
            .filter(([name]) => parts.has(partOf(name)) && !defined.has(name))
            .map(([name]) => ({ path, line: at + 1, text: `${name} is not defined` })),
        ),
    );
}

function partOf(name: string): string {
  return name.replace(/-\d+$/, "");
}

runAsCommand(import.meta.url, findInvariants);
