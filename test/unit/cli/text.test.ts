/** What is written: widths, tables, foreign text, numbers, both languages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { printable } from "@acktor/cli/terminal/printable";
import { renderBar } from "@acktor/cli/terminal/progress";
import { renderTable } from "@acktor/cli/terminal/table";
import { fitText, padText, textWidth } from "@acktor/cli/terminal/text-width";
import { english } from "@acktor/cli/texts/english";
import { formatAge, formatNumber, formatTime } from "@acktor/cli/texts/format";
import { japanese } from "@acktor/cli/texts/japanese";
import { mark } from "@acktor/shared/runtime/terminal-door";
import fc from "fast-check";

test("wide characters take two columns, marks and colours none", () => {
  const widths: [string, number][] = [
    ["state", 5],
    ["状態", 4],
    ["クライアントID", 14],
    ["ｸﾗｲｱﾝﾄ", 6],
    ["Ａ１", 4],
    ["한글", 4],
    ["e\u0301", 1],
    ["が", 2],
    ["か\u3099", 2],
    ["👩‍👩‍👧", 2],
    ["❤️", 2],
    ["①", 1],
    [mark("good", "OK"), 2],
    ["", 0],
  ];
  assert.deepEqual(
    widths.map(([text]) => [text, textWidth(text)]),
    widths,
  );
});

test("a text is cut and filled to exactly the columns that there are", () => {
  assert.equal(fitText("接続情報", 8), "接続情報");
  assert.equal(fitText("接続情報", 7), "接続情…");
  assert.equal(fitText("接続情報", 6), "接続…");
  assert.equal(fitText(mark("good", "CONNECTED"), 9), mark("good", "CONNECTED"));
  assert.equal(fitText(mark("good", "CONNECTED"), 8), "CONNECT…");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      const fitted = fitText(text, columns);
      assert.ok(textWidth(fitted) <= columns);
      assert.equal(textWidth(padText(fitted, columns)), columns);
    }),
  );
});

test("every line of a table is as wide as the others, also cut to a terminal", () => {
  const table = {
    title: "接続情報",
    head: ["項目", "値"],
    rows: [
      ["状態", "CONNECTED"],
      ["クライアントID", "x".repeat(200)],
    ],
  };
  for (const columns of [null, 40, 79, 80]) {
    const [title, ...lines] = renderTable(table, columns).split("\n");
    assert.equal(title, "接続情報");
    assert.equal(new Set(lines.map(textWidth)).size, 1);
    if (columns !== null) assert.equal(textWidth(lines[0] ?? ""), columns);
  }
});

test("foreign text cannot act on a terminal", () => {
  assert.equal(
    printable("a\u001b[2Jb\u0007\r\n\u009b1m\u2028\u202ec"),
    "a\\u001b[2Jb\\u0007\\u000d\\u000a\\u009b1m\\u2028\\u202ec",
  );
  assert.equal(printable("状態 🙂"), "状態 🙂");
  assert.equal(printable("abcdef", 3), "abc…");
  // Nothing is left of a character that was cut in two.
  assert.ok(printable("🙂🙂", 1).isWellFormed());
});

test("numbers, times and durations", () => {
  assert.equal(formatNumber(1_234_567), "1,234,567");
  assert.equal(formatTime("2026-11-26T20:15:03.123456Z"), "2026-11-26 20:15:03Z");
  assert.equal(formatTime(null), "-");
  assert.deepEqual(
    [0, 999, 1_500, 59_900, 60_000, 3_600_000, 3_661_000, 90_061_000].map((ms) => formatAge(ms, "en")),
    ["0 ms", "999 ms", "1.5 s", "59.9 s", "1 min", "1 h", "1 h 1 min", "1 d 1 h"],
  );
  assert.equal(formatAge(3_661_000, "ja"), "1時間1分");
  assert.equal(renderBar(0, 4), `[${"-".repeat(30)}] 0 % 0/4`);
  assert.equal(renderBar(4, 4), `[${"#".repeat(30)}] 100 % 4/4`);
  assert.equal(renderBar(1, 3).indexOf("-"), 11);
});

/** Paths of all texts; a function counts as one, with how many parameters it has. */
function keys(value: unknown, path = ""): string[] {
  if (typeof value === "function") return [`${path}(${value.length})`];
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([key, inner]) => keys(inner, `${path}.${key}`));
}

test("both languages have the same texts, and Japanese is Japanese", () => {
  // Titles of the help are commander's own in English.
  const own = (paths: string[]): string[] => paths.filter((path) => !path.startsWith(".help.titles")).sort();
  assert.deepEqual(own(keys(japanese)), own(keys(english)));
  const same = own(keys(english)).filter((path) => at(english, path) === at(japanese, path));
  assert.deepEqual(same, [], "texts without a translation");
});

function at(texts: unknown, path: string): unknown {
  let value = texts;
  for (const key of path
    .replace(/\(\d+\)$/, "")
    .split(".")
    .slice(1)) {
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === "string" ? value : path + String(value);
}
