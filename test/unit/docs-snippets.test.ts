/**
 * Every TypeScript snippet of the documentation is type-checked as it stands, in one run of the compiler.
 *
 * What a snippet takes for granted stands before it, where no reader sees it: `<!-- given: declare const sql: Sql; -->`.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { cleanUp } from "../support/cleanup.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FENCE = /(?:^<!-- given: ((?:(?!-->)[\s\S])*) -->\n\s*)?^```(?:ts|typescript)\b.*\n([\s\S]*?)^```/gm;
const LEAST = 10;

interface Snippet {
  readonly name: string;
  readonly text: string;
}

function snippets(): Snippet[] {
  const pages = readdirSync(path.join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => path.join("docs", file));
  return ["README.md", "README.ja.md", ...pages].flatMap((page) =>
    [...readFileSync(path.join(ROOT, page), "utf8").matchAll(FENCE)].map(([, given = "", body = ""], i) => ({
      name: `${page.replace(/\W/g, "_")}_${i + 1}.ts`,
      text: `${given}\n${body}\nexport {};\n`,
    })),
  );
}

/** What the compiler says about them; they lie in a folder of the repository, where its packages are found. */
function check(all: readonly Snippet[], t: Parameters<typeof cleanUp>[0]): string {
  const folder = mkdtempSync(path.join(ROOT, "test/.snippets-"));
  cleanUp(t, () => rmSync(folder, { recursive: true, force: true }));
  for (const { name, text } of all) writeFileSync(path.join(folder, name), text);
  const compilerOptions = {
    composite: false,
    declaration: false,
    noEmit: true,
    allowImportingTsExtensions: true,
    rewriteRelativeImportExtensions: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    noPropertyAccessFromIndexSignature: false,
  };
  const config = { extends: "../../tsconfig.base.json", compilerOptions, files: all.map(({ name }) => name) };
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiler = path.join(ROOT, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [compiler, "-p", folder, "--pretty", "false"], { encoding: "utf8" });
  return stdout;
}

test("the documentation's TypeScript is what it says it is", (t) => {
  const all = snippets();
  assert.ok(all.length >= LEAST, `${all.length} snippets`);
  assert.equal(check(all, t), "");
});

test("a snippet that is wrong is found", (t) => {
  const text = 'import { createClient } from "@acktor/shared/client";\ncreateClient({ uri: "x" });\n';
  assert.match(check([{ name: "wrong.ts", text }], t), /wrong\.ts\(2,.*uri/);
});
