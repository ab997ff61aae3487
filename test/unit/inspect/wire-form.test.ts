import assert from "node:assert/strict";
import { test } from "node:test";
import { definitionFault, eventFault, goneFault, headFault, snapshotFault } from "@acktor/shared/inspect/wire-form";
import fc from "fast-check";

const CHECKS = [definitionFault, eventFault, goneFault, headFault, snapshotFault];

test("FORM-2: for any value the check gives a result, and a fault names a field and what is expected", () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 5 }), (value) => {
      for (const check of CHECKS) {
        const fault = check(value);
        if (fault !== null) assert.deepEqual([typeof fault.field, typeof fault.wanted], ["string", "string"]);
      }
    }),
  );
});

test("FORM-1: a value that is nested too deeply has a fault, and is not walked to its end", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level++) deep = { a: deep };
  for (const check of CHECKS) assert.equal(check(deep)?.wanted, "shallow");
});
