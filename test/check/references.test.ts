/** Comments, texts and pages refer to what is in this repository. */
import { test } from "node:test";
import { assertNone } from "./no-findings.ts";
import { findReferences } from "./references.ts";

test("no reference leads out of the repository, or to a file or heading that does not exist", () => {
  assertNone(findReferences());
});
