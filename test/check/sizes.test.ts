/** Files and functions that fit a reader's head, and parts that are objects. */
import { test } from "node:test";
import { assertNone } from "./no-findings.ts";
import { findFieldsOverTarget, findSizes, findWiring } from "./sizes.ts";

test("no product file is longer than 350 lines, no function longer than 50", () => {
  assertNone(findSizes());
});

test("publisher, acker and shared have at most 3 function-typed fields per 1,000 lines", () => {
  assertNone(findFieldsOverTarget());
});

test("an assembly passes parts, not lambdas that name or forward to them", () => {
  assertNone(findWiring());
});
