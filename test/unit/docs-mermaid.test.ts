/** Every Mermaid diagram of the documentation is one by Mermaid's own word. */
import "../support/dom.ts";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "docs/reference/statecharts");
const diagrams = readdirSync(folder).filter((name) => name.endsWith(".mmd"));

let parse: (text: string) => Promise<unknown>;
before(async () => {
  // Loaded late: it looks for the document when it is loaded.
  const { default: mermaid } = await import("mermaid");
  parse = (text) => mermaid.parse(text);
});

test("there is one for each machine", () => {
  assert.ok(diagrams.length >= 6);
});

for (const name of diagrams) {
  test(`${name} parses`, async () => {
    assert.deepEqual(await parse(readFileSync(join(folder, name), "utf8")), {
      diagramType: "stateDiagram",
      config: {},
    });
  });
}

test("the diagrams in the overview of statecharts parse", async () => {
  const blocks = [...readFileSync(join(folder, "README.md"), "utf8").matchAll(/^```mermaid\n(.*?)^```/gms)];
  assert.ok(blocks.length > 0);
  for (const [, text = ""] of blocks) await parse(text);
});

test("the first pages show the link as it is generated", () => {
  for (const page of ["README.md", "README.ja.md"]) {
    assert.match(readFileSync(join(root, page), "utf8"), /!\[[^\]]+\]\(docs\/reference\/statecharts\/link\.svg\)/);
  }
});

test("what is no diagram is refused", async () => {
  await assert.rejects(parse("stateDiagram-v2\n  state a {\n    A --> B\n"));
});
