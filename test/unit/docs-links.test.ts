/** What the documentation points at exists: files, headings, commands, settings. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { knownNames } from "@acktor/shared/runtime/settings";
import { anchorsIn } from "../support/anchors.ts";
import { testTitles } from "../support/threat-table.ts";

const root = resolve(import.meta.dirname, "../..");
const README_LINES = 200;

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
].map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));

test("every relative link resolves, headings included", () => {
  const broken = pages.flatMap(({ path, text }) =>
    linksIn(text)
      .filter((link) => !resolves(path, link))
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("every page under docs can be reached from README.md", () => {
  const reached = new Set<string>();
  const next = ["README.md"];
  for (let path = next.pop(); path !== undefined; path = next.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const text = pages.find((page) => page.path === path)?.text ?? "";
    for (const link of linksIn(text)) next.push(relative(root, resolve(root, dirname(path), pathOf(link))));
  }
  assert.deepEqual(
    pages.map((page) => page.path).filter((path) => path.startsWith("docs/") && !reached.has(path)),
    [],
  );
});

test("every npm script named is one", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
  const unknown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm run ([a-z][a-z0-9:-]*)/g)]
      .map((match) => match[1] ?? "")
      .filter((name) => !Object.hasOwn(scripts, name))
      .map((name) => `${path}: npm run ${name}`),
  );
  assert.deepEqual(unknown, []);
});

test("every setting named is known", () => {
  const known = new Set(knownNames.flatMap((name) => [name, `${name}_FILE`]));
  const unknown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bACKTOR_[A-Z0-9_]*[A-Z0-9]/g)]
      .map((match) => match[0])
      .filter((name) => !known.has(name))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(unknown, []);
});

test("the tests that the documentation names exist", () => {
  const sources = new Map<string, string>();
  const missing: string[] = [];
  for (const { path, text } of pages) {
    for (const [, file = "", name] of text.matchAll(/`(test\/[\w./-]+\.test\.ts)`(?:: “([^”]+)”)?/g)) {
      if (!existsSync(join(root, file))) missing.push(`${path}: ${file}`);
      else if (name !== undefined) {
        const source = sources.get(file) ?? readFileSync(join(root, file), "utf8");
        sources.set(file, source);
        const isThere = source.includes(name) || testTitles(source).some((title) => title.test(name));
        if (!isThere) missing.push(`${path}: ${file}: ${name}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});

test("the first pages stay short, and say the same in both languages", () => {
  const [english, japanese] = ["README.md", "README.ja.md"].map((path) => pages.find((page) => page.path === path));
  for (const page of [english, japanese]) {
    const lines = (page?.text ?? "").split("\n").length - 1;
    assert.ok(lines > 0 && lines <= README_LINES, `${page?.path}: ${lines} lines`);
  }
  // Code blocks but for their comments, and where links lead to, are the same.
  assert.deepEqual(codeIn(japanese?.text ?? ""), codeIn(english?.text ?? ""));
  const targets = (text: string): string[] => [...new Set(linksIn(text))].filter((l) => !l.startsWith("README")).sort();
  assert.deepEqual(targets(japanese?.text ?? ""), targets(english?.text ?? ""));
});

function linksIn(text: string): string[] {
  return [...text.replace(/```[\s\S]*?```/g, "").matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? "")
    .filter((link) => !/^[a-z]+:/.test(link));
}

function pathOf(link: string): string {
  return decodeURI(link.replace(/#.*$/, ""));
}

function resolves(page: string, link: string): boolean {
  const target = pathOf(link) === "" ? join(root, page) : resolve(root, dirname(page), pathOf(link));
  if (!existsSync(target)) return false;
  const anchor = link.split("#")[1];
  if (anchor === undefined || statSync(target).isDirectory()) return true;
  return anchorsIn(readFileSync(target, "utf8")).includes(anchor);
}

function codeIn(text: string): string[] {
  return [...text.matchAll(/```(\w*)\n([\s\S]*?)```/g)].map(([, language, code = ""]) => {
    const lines = code.split("\n").map((line) => (language === "sh" ? line.replace(/(^|\s)#.*$/, "").trimEnd() : line));
    return lines.filter((line) => line !== "").join("\n");
  });
}
