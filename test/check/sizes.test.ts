/** Files and functions that fit a reader's head, and parts that are objects. */
import { test } from "node:test";
import { assertWithin } from "./ratchet.ts";
import { findFieldsOverTarget, findSizes, findWiring } from "./sizes.ts";

test("no product file is longer than 350 lines, no function longer than 50", () => {
  assertWithin("sizes", findSizes());
});

test("publisher, acker and shared have at most 3 function-typed fields per 1,000 lines", () => {
  assertWithin("fields", findFieldsOverTarget());
});

test("an assembly passes parts, not lambdas that name or forward to them", () => {
  assertWithin("wiring", findWiring());
});
