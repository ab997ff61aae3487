/** docs/reference/errors.md and the code name the same errors, with the same status. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { ERROR_CODES } from "@acktor/shared/runtime/api-error";

const page = readFileSync(resolve(import.meta.dirname, "../../docs/reference/errors.md"), "utf8");
const codes = page.slice(page.indexOf("## Codes"), page.indexOf("## Outside HTTP"));

/** Code → the text below its heading. */
const documented = new Map(
  codes
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section.slice(section.indexOf("\n"))] as const),
);

test("every error code is documented, and nothing else is", () => {
  assert.deepEqual([...documented.keys()].sort(), Object.keys(ERROR_CODES).sort());
});

for (const [code, { status }] of Object.entries(ERROR_CODES)) {
  test(`${code} is documented with its status, a cause and a fix`, () => {
    const text = documented.get(code) ?? "";
    assert.match(text.trim(), new RegExp(`^${status}\\b`));
    assert.match(text, /\*\*Cause:\*\* \S/);
    assert.match(text, /\*\*Fix:\*\* \S/);
  });
}
