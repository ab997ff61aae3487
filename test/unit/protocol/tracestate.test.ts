/** The vendors' part of a trace: taken as the standard writes it, dropped as a whole otherwise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readTracestate } from "@acktor/shared/protocol/tracestate";

test("members are kept in their order, spaces and empty ones are not", () => {
  assert.equal(readTracestate("congo=t61rcWkgMzE , ,rojo=00f067aa0ba902b7"), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  assert.equal(readTracestate("fw529a3039@dt=FfIAAA==".replaceAll("==", "")), "fw529a3039@dt=FfIAAA");
});

for (const [what, text] of [
  ["nothing", ""],
  ["no member", " , ,"],
  ["a key in upper case", "Congo=1"],
  ["a value with =", "a=b=c"],
  ["a line break", "a=b\r\nx"],
  ["what is not ASCII", "a=é"],
  ["a value that ends in nothing", "a="],
  ["33 members", Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(",")],
  ["513 characters", `a=${"x".repeat(240)},b=${"x".repeat(240)},c=${"x".repeat(25)}`],
] as const) {
  test(`${what} is dropped`, () => assert.equal(readTracestate(text), null));
}
