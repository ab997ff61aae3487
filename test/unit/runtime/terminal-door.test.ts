/** What is let through to a terminal, and into a line of JSON. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeJson, jsonLine, printable, printableCopy, printableLines } from "@acktor/shared/runtime/printable";
import { mark, TerminalDoor } from "@acktor/shared/runtime/terminal-door";
import fc from "fast-check";

/** Stated apart from the code, by ranges: C0 but the line end, DEL, C1, separators, bidi, invisible, tags, noncharacters. */
const FORBIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\ufdd0-\ufdef\ufffe\uffff]|[\u{e0000}-\u{e00ff}]|[\u{1fffe}\u{1ffff}]/u;

const hostile = fc.oneof(
  fc.constantFrom(
    "\u001b[2J",
    "\u009b31m",
    "\u001b]8;;http://x\u0007",
    "\u0007",
    "\r",
    "\n",
    "\u202e",
    "\u2066",
    "\u2028",
  ),
  fc.constantFrom(
    "\u200b",
    "\u200d",
    "\u200c",
    "\ufeff",
    "\u00ad",
    "\u{e0041}",
    "\ufdd3",
    "\u{1ffff}",
    "\ud800",
    "\udc00",
  ),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);
const text = fc.array(hostile, { maxLength: 12 }).map((parts) => parts.join(""));

function rig(isTTY: boolean): { readonly door: TerminalDoor; readonly written: () => string } {
  let written = "";
  const write = (said: string): void => {
    written += said;
  };
  return { door: new TerminalDoor({ isTTY, columns: 80, write }), written: () => written };
}

test("SHOW-1: a printable text is one line of what can be seen", () => {
  fc.assert(
    fc.property(text, (given) => {
      const shown = printable(given);
      assert.doesNotMatch(shown, FORBIDDEN);
      assert.doesNotMatch(shown, /\n/);
      assert.ok(shown.isWellFormed());
      assert.equal(printable(shown, 100_000), shown, "once is enough");
      assert.doesNotMatch(printableLines(given), FORBIDDEN);
      assert.equal(printableLines(given).split("\n").length, given.split("\n").length);
    }),
    { numRuns: 2_000 },
  );
});

test("SHOW-2: a line of JSON has nothing that acts on a terminal, and is the same value", () => {
  fc.assert(
    fc.property(fc.dictionary(text, fc.oneof(text, fc.jsonValue())), (value) => {
      const line = jsonLine(value);
      assert.doesNotMatch(line, FORBIDDEN);
      assert.doesNotMatch(line, /\n/);
      assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(value)));
      assert.equal(escapeJson(`${line}\n`), `${line}\n`);
    }),
    { numRuns: 1_000 },
  );
});

test("SHOW-3: emoji, accents and ideographic variants are shown as they are", () => {
  for (const shown of ["👩‍👩‍👧", "👨🏽‍🚀", "❤️", "e\u0301", "葛\u{e0100}", "状態 🙂", "\u00a0x", "ﷺ", "ر"]) {
    assert.equal(printable(shown), shown);
    assert.equal(jsonLine(shown), JSON.stringify(shown));
  }
  assert.equal(printable("adm\u200din"), "adm\\u200din");
  assert.equal(printable("🙂\u{e0141}x\u{e0041}"), "🙂\\u{e0141}x\\u{e0041}");
});

test("DOOR-1: for any text, only the door's own sequences leave", () => {
  fc.assert(
    fc.property(text, fc.boolean(), (given, isTTY) => {
      const { door, written } = rig(isTTY);
      door.say(given);
      door.write(given);
      door.say(`${mark("bad", given)} ${given}`);
      door.json({ [given]: given });
      door.redraw(given);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what the door itself writes
      const rest = written().replace(/\u001b\[(31|39)m|\r\u001b\[2K/g, "");
      assert.doesNotMatch(rest, FORBIDDEN);
      assert.equal(written().includes("\u001b"), isTTY);
    }),
    { numRuns: 1_000 },
  );
});

test("DOOR-2: a colour cannot be forged: noncharacters of foreign text are spelled", () => {
  const { door, written } = rig(true);
  const learned = mark("bad", "x");
  // Even who has seen a mark elsewhere, in a text that was made printable, forges nothing.
  door.say(printable(learned));
  assert.ok(!written().includes("\u001b"));
  door.say(mark("good", "fine"));
  assert.ok(written().includes("\u001b[32mfine\u001b[39m"));
});

test("DOOR-3: no colour, no clearing and no redrawing where the output is not a terminal", () => {
  const { door, written } = rig(false);
  door.say(mark("bad", "x"));
  door.clear();
  door.redraw("bar");
  assert.equal(written(), "x\n");
});

test("a copy for people has every text and every name printable, in any form", () => {
  const copy = printableCopy(JSON.parse('{"__proto__":{"a\u009b":["\\n",1,null,true]},"b":"\\u001b"}'));
  assert.deepEqual(Object.keys(copy), ["__proto__", "b"]);
  assert.equal(JSON.stringify(copy), '{"__proto__":{"a\\\\u009b":["\\\\u000a",1,null,true]},"b":"\\\\u001b"}');
});
