/** Every invariant has a name, a place that keeps it and a test that holds it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collectInvariants, findInvariants } from "./invariants.ts";
import { assertNone } from "./no-findings.ts";

test("invariants are named once, cited where they are kept and by a test", () => {
  assertNone(findInvariants());
});

test("the definitions are found", () => {
  const { defined } = collectInvariants();
  assert.ok(defined.length > 50, `${defined.length} invariants`);
});
