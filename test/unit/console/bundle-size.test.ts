/** What the console costs to load: everything that was built, as it travels. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { CONSOLE_FOLDER } from "@acktor/publisher/http/console-routes";

const MOST_BYTES = 80_000;

test("scripts and styles have at most 80 kB, gzipped, and ask for nothing elsewhere", (t) => {
  const names = readdirSync(CONSOLE_FOLDER).filter((name) => /\.(js|css)$/.test(name));
  assert.deepEqual(names.map((name) => path.extname(name)).sort(), [".css", ".js"]);
  const texts = names.map((name) => readFileSync(path.join(CONSOLE_FOLDER, name)));
  const bytes = texts.reduce((sum, text) => sum + gzipSync(text).length, 0);
  t.diagnostic(`${(bytes / 1024).toFixed(1)} kB`);
  assert.ok(bytes <= MOST_BYTES, `${bytes} bytes`);
  const page = readFileSync(path.join(CONSOLE_FOLDER, "index.html"), "utf8");
  assert.doesNotMatch(page, /https?:|<style|style=|<script>|\son\w+=/, "the page holds no address and nothing inline");
  for (const name of names) assert.ok(page.includes(`/assets/${name}`), name);
});
