/** Every Mermaid diagram of the documentation is one by Mermaid's own word. */
import "../support/dom.ts";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseMermaid } from "../../tools/workshop/mermaid.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "docs/reference/statecharts");
const diagrams = readdirSync(folder).filter((name) => name.endsWith(".mmd"));

test("there is one for each machine", () => {
  assert.ok(diagrams.length >= 6);
});

for (const name of diagrams) {
  test(`${name} parses`, async () => {
    assert.deepEqual(await parseMermaid(readFileSync(join(folder, name), "utf8")), {
      diagramType: "stateDiagram",
      config: {},
    });
  });
}

test("the diagrams in the overview of statecharts parse", async () => {
  const blocks = [...readFileSync(join(folder, "README.md"), "utf8").matchAll(/^```mermaid\n(.*?)^```/gms)];
  assert.ok(blocks.length > 0);
  for (const [, text = ""] of blocks) await parseMermaid(text);
});

test("the first pages show the link as it is generated", () => {
  for (const page of ["README.md", "README.ja.md"]) {
    assert.match(readFileSync(join(root, page), "utf8"), /!\[[^\]]+\]\(docs\/reference\/statecharts\/link\.svg\)/);
  }
});

test("a text that is not a diagram is rejected", async () => {
  await assert.rejects(parseMermaid("stateDiagram-v2\n  state a {\n    A --> B\n"));
});
