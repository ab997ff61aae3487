/** The console's texts: complete in both languages, and used. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { TEXTS } from "../../../services/publisher/console/src/i18n/texts.ts";

const SOURCES = path.resolve(import.meta.dirname, "../../../services/publisher/console/src");
const keys = Object.keys(TEXTS) as (keyof typeof TEXTS)[];

test("no key is in two tables", () => {
  const folder = path.join(SOURCES, "i18n");
  const tables = readdirSync(folder).filter((name) => name.endsWith("-texts.ts"));
  const lines = tables.map((name) => readFileSync(path.join(folder, name), "utf8"));
  assert.equal(lines.join("\n").match(/^ {2}[\w".]+: \{/gm)?.length, keys.length);
});

test("a text has the same parameters in both languages", () => {
  const params = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();
  for (const key of keys) assert.deepEqual(params(TEXTS[key].ja), params(TEXTS[key].en), key);
});

test("Japanese is Japanese, except names", () => {
  const NAMES = new Set([
    ...["dependency.postgres", "dependency.nats", "dependency.ackers", "service.publisher", "service.acker"],
    ...["step.puback", "message.id", "message.qos", "command.title"],
  ]);
  const foreign = keys.filter((key) => !/[\u3040-\u30ff\u4e00-\u9fff]/.test(TEXTS[key].ja) && !NAMES.has(key));
  assert.deepEqual(foreign, []);
});

test("every text is used", () => {
  const code = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith("i18n/"))
    .map((name) => readFileSync(path.join(SOURCES, name), "utf8"))
    .join("\n");
  // Composed keys are templates: `state.${state}`.
  const templates = [...code.matchAll(/`([a-zA-Z.]+\.)\$\{[^}]+\}([a-zA-Z.]*)/g)];
  const isUsed = (key: string): boolean => {
    if (code.includes(`"${key}"`)) return true;
    return templates.some(([, head = "", tail = ""]) => key.startsWith(head) && key.endsWith(tail));
  };
  assert.deepEqual(
    // format.ts of the same folder says it.
    keys.filter((key) => !isUsed(key) && key !== "time.ago"),
    [],
  );
});
