import assert from "node:assert/strict";
import { test } from "node:test";
import { patchTokens } from "@acktor/chaos/patch/patch-tokens";

const SOURCE = `
export function send(link: Link, { topic }: Message): boolean {
  // "if (link.capacity() > 0)" is no code here
  if (link.capacity() > 0 && /["'/]+/.test(topic)) {
    return link.publish({
      topic,
      text: \`a \${link.name({ a: 1 })} b\`,
    });
  }
  return false;
}
`;

test("PATCH-1: line breaks, comments and trailing commas are of no account", () => {
  const patched = patchTokens(SOURCE, "link.publish({ topic, text: `a $" + "{link.name({ a: 1 })} b` })", "true");
  assert.equal(patched.ok && patched.text.includes("return true;"), true);
});

test("PATCH-1: no place and two places are refused", () => {
  assert.deepEqual(patchTokens(SOURCE, "link.disconnect()", ""), { ok: false, found: 0 });
  assert.deepEqual(patchTokens(SOURCE, "return", ""), { ok: false, found: 2 });
  assert.deepEqual(patchTokens(SOURCE, "", ""), { ok: false, found: 0 });
});

test("PATCH-1: comments, texts and regular expressions hold no code", () => {
  const patched = patchTokens(SOURCE, "if (link.capacity() > 0", "if (true");
  assert.equal(patched.ok && patched.text.includes("if (true && /["), true);
});

test("PATCH-2: the rest stays byte by byte", () => {
  const patched = patchTokens(SOURCE, "return false", "return true");
  assert.equal(patched.ok && patched.text, SOURCE.replace("return false", "return true"));
});
