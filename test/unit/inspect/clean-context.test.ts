/** What leaves a process of a context: what was chosen, as JSON, bounded, and nothing that sounds like a secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanContext } from "@acktor/shared/inspect/clean-context";
import { LINK_SHOWN } from "@acktor/shared/inspect/shown-contexts";
import { linkMachine } from "@acktor/shared/link/link-machine";
import fc from "fast-check";
import { getInitialSnapshot } from "xstate";
import { linkInput } from "../../support/link-world.ts";

const CANARY = "canary-7f3a";

test("CONTEXT-1: a key that is not listed is not shown", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), fc.string(), (context, name) => {
      const shown = JSON.stringify(cleanContext({ ...context, [name]: CANARY, chosen: 1 }, ["chosen"]));
      assert.equal(shown, '{"chosen":1}');
    }),
  );
});

const SECRETS = [
  "password",
  "MQTT_PASSWORD",
  "token",
  "apiToken",
  "secret",
  "authorization",
  "payload",
  "content",
  "pass",
];

test("CONTEXT-3: no secret and no payload is shown, at any depth and in any spelling", () => {
  for (const name of SECRETS) {
    const deep = { a: { b: [{ [name]: CANARY, [name.toUpperCase()]: CANARY }] } };
    assert.ok(!JSON.stringify(cleanContext({ deep, [name]: CANARY }, ["deep", name])).includes(CANARY), name);
  }
});

test("CONTEXT-2: any value becomes JSON of a bounded size", () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (value) => {
      const clean = cleanContext({ value }, ["value"]);
      assert.deepEqual(JSON.parse(JSON.stringify(clean)), clean);
    }),
  );
  const odd = { zero: -0, none: Number.NaN, ...JSON.parse('{"__proto__":{"a":1}}') };
  assert.equal(JSON.stringify(cleanContext({ odd }, ["odd"])), '{"odd":{"zero":0,"none":null,"__proto__":{"a":1}}}');
  const wide = { list: Array.from({ length: 1_000 }, () => "x".repeat(1_000)), end: Number.POSITIVE_INFINITY };
  const clean = cleanContext(wide, ["list", "end"]) as { list: string[]; end: null };
  assert.deepEqual([clean.list.length, clean.list[0]?.length, clean.end], [50, 301, null]);
});

test("a value that contains itself is cut", () => {
  const loop: Record<string, unknown> = { name: "loop" };
  loop["self"] = loop;
  assert.ok(JSON.stringify(cleanContext({ loop }, ["loop"])).length < 500);
});

test("the context of the link: state and reason, not its functions and its policy", () => {
  const { context } = getInitialSnapshot(linkMachine, linkInput());
  const clean = cleanContext(context, LINK_SHOWN) as Record<string, unknown>;
  assert.deepEqual(Object.keys(clean), [...LINK_SHOWN]);
  assert.deepEqual(clean["at"], { connection: "DISCONNECTED", breaker: "CLOSED" });
});
