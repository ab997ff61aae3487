/** The pictures of the documentation stand alone: well-formed, with a title, for both themes, asking nothing of others. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SUBJECTS } from "../../docs/generate/charts.ts";
import { parseXml } from "../support/dom.ts";

const root = join(import.meta.dirname, "../..");

for (const { definition, what } of SUBJECTS) {
  test(`${definition.id}.svg is self-contained`, () => {
    const text = readFileSync(join(root, `docs/reference/statecharts/${definition.id}.svg`), "utf8");
    const picture = parseXml(text);
    assert.equal(picture.all("svg > title")[0]?.textContent, definition.id);
    assert.equal(picture.all("svg > desc")[0]?.textContent, what);
    assert.equal(picture.all("svg")[0]?.getAttribute("aria-label"), `Statechart of ${definition.id}`);
    assert.equal(picture.all("[data-edge-id]").length, definition.edges.length);
    assert.equal(picture.all("[aria-current], [data-last]").length, 0);
    const style = picture.all("style")[0]?.textContent ?? "";
    assert.match(style, /@media \(prefers-color-scheme: dark\)[^}]*:root\.chart/);
    const foreign = [...text.matchAll(/\b(?:href|src)=|url\(|@import|https?:\/\/[^"\s]+/g)].map(([found]) => found);
    assert.deepEqual(
      foreign.filter((found) => found !== "http://www.w3.org/2000/svg"),
      [],
    );
  });
}

test("what is not well-formed is noticed", () => {
  assert.throws(() => parseXml("<svg><g></svg>"));
});
