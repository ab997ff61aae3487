/** The console's words: the same in both languages, and none that nobody says. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { en } from "../../../services/publisher/console/src/i18n/en.ts";
import { ja } from "../../../services/publisher/console/src/i18n/ja.ts";

const SOURCES = path.resolve(import.meta.dirname, "../../../services/publisher/console/src");
const keys = Object.keys(en) as (keyof typeof en)[];

test("English and Japanese have the same keys", () => {
  assert.deepEqual(Object.keys(ja).sort(), [...keys].sort());
});

test("a text says the same parameters in both languages", () => {
  const params = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();
  for (const key of keys) assert.deepEqual(params(ja[key]), params(en[key]), key);
});

test("Japanese is Japanese, but for names", () => {
  const NAMES = new Set(["dependency.postgres", "dependency.nats", "step.puback", "message.id", "message.qos"]);
  const foreign = keys.filter((key) => !/[\u3040-\u30ff\u4e00-\u9fff]/.test(ja[key]) && !NAMES.has(key));
  assert.deepEqual(foreign, ["command.title"]);
});

test("every text is said somewhere", () => {
  const code = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/^i18n\/(en|ja)\b/.test(name))
    .map((name) => readFileSync(path.join(SOURCES, name), "utf8"))
    .join("\n");
  // Keys that are put together stand in templates: `state.${state}`.
  const templates = [...code.matchAll(/`([a-zA-Z.]+\.)\$\{[^}]+\}([a-zA-Z.]*)/g)];
  const isSaid = (key: string): boolean => {
    if (code.includes(`"${key}"`)) return true;
    return templates.some(([, head = "", tail = ""]) => key.startsWith(head) && key.endsWith(tail));
  };
  assert.deepEqual(
    keys.filter((key) => !isSaid(key)),
    [],
  );
});
