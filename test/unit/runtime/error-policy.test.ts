/** Error policies: the table of decisions, what a configuration may say, and what a policy may do wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPublisherConfig } from "@acktor/publisher/config";
import {
  createPolicy,
  type Decision,
  type DeliveryError,
  guardPolicy,
  policyRules,
} from "@acktor/shared/runtime/error-policy";

const REFUSED: DeliveryError = {
  type: "authentication",
  on: "publish_refused",
  reasonCode: 0x87,
  reason: "message refused: not authorized",
  topic: "a/b",
};
const LOST: DeliveryError = { ...REFUSED, type: "network", on: "publish_lost", reasonCode: null, reason: "ended" };
const TIMEOUT: DeliveryError = { ...LOST, type: "timeout", on: "ack_timeout", reason: "no ack in time" };
const REJECTED: DeliveryError = { ...LOST, type: "application", on: "rejected", reason: "no disk" };

function decide(rules: object[], error: DeliveryError, attempt = 1, ageMs = 0, random = 0.5): Decision {
  const parsed = policyRules().parse(JSON.stringify({ rules }));
  return createPolicy(parsed, () => random)(error, attempt, ageMs);
}

const fixed = { kind: "fixed", base: "4s", jitter: 0 };
const linear = { kind: "linear", base: "1s", cap: "3s", jitter: 0 };
const exponential = { base: "1s", cap: "10s" };

const TABLE: readonly [string, object[], DeliveryError, number, number, Decision][] = [
  ["no rule", [], LOST, 1, 0, { kind: "default" }],
  ["no rule that matches", [{ type: "timeout", do: "pause" }], LOST, 1, 0, { kind: "default" }],
  ["by type", [{ type: "network", do: "pause" }], LOST, 1, 0, { kind: "pause" }],
  ["by place", [{ on: "rejected", do: "pause" }], REJECTED, 1, 0, { kind: "pause" }],
  ["by code", [{ code: 135, do: "pause" }], REFUSED, 1, 0, { kind: "pause" }],
  ["by code in hex", [{ code: "0x87", do: "pause" }], REFUSED, 1, 0, { kind: "pause" }],
  ["another code", [{ code: "0x97", do: "pause" }], REFUSED, 1, 0, { kind: "default" }],
  ["every condition", [{ type: "network", on: "rejected", do: "pause" }], LOST, 1, 0, { kind: "default" }],
  ["attempts, before", [{ attempts: 3, do: "pause" }], LOST, 2, 0, { kind: "default" }],
  ["attempts, at", [{ attempts: 3, do: "pause" }], LOST, 3, 0, { kind: "pause" }],
  ["age, before", [{ older_than: "1m", do: "pause" }], LOST, 1, 59_999, { kind: "default" }],
  ["age, at", [{ older_than: "1m", do: "pause" }], LOST, 1, 60_000, { kind: "pause" }],
  ["the first wins", [{ do: "pause" }, { do: "dead_letter" }], LOST, 1, 0, { kind: "pause" }],
  ["its own reason", [{ do: "dead_letter", reason: "gone" }], LOST, 1, 0, { kind: "dead_letter", reason: "gone" }],
  [
    "reason",
    [{ do: "dead_letter" }],
    TIMEOUT,
    1,
    0,
    { kind: "dead_letter", reason: "policy: ack_timeout: no ack in time" },
  ],
  ["fixed", [{ do: "retry", backoff: fixed }], LOST, 9, 0, { kind: "retry", inMs: 4_000 }],
  ["linear", [{ do: "retry", backoff: linear }], LOST, 2, 0, { kind: "retry", inMs: 2_000 }],
  ["linear, capped", [{ do: "retry", backoff: linear }], LOST, 9, 0, { kind: "retry", inMs: 3_000 }],
  ["exponential, first", [{ do: "retry", backoff: exponential }], LOST, 1, 0, { kind: "retry", inMs: 750 }],
  ["exponential, third", [{ do: "retry", backoff: exponential }], LOST, 3, 0, { kind: "retry", inMs: 3_000 }],
  ["exponential, huge", [{ do: "retry", backoff: exponential }], LOST, 1e6, 0, { kind: "retry", inMs: 7_500 }],
];

for (const [name, rules, error, attempt, ageMs, wanted] of TABLE) {
  // POLICY-1, POLICY-2
  test(`decision: ${name}`, () => assert.deepEqual(decide(rules, error, attempt, ageMs), wanted));
}

test("jitter: none of it at 0, all of it at 1", () => {
  const pause = (jitter: number, random: number): number => {
    const rules = [{ do: "retry", backoff: { kind: "fixed", base: "10s", jitter } }];
    const decision = decide(rules, LOST, 1, 0, random);
    return decision.kind === "retry" ? decision.inMs : Number.NaN;
  };
  assert.deepEqual([pause(0, 0.9), pause(1, 0), pause(1, 0.9), pause(0.5, 0)], [10_000, 0, 9_000, 5_000]);
});

test("an invalid configuration is rejected with the place of its fault", () => {
  const faults: readonly [string, RegExp][] = [
    ["{", /ACKTOR_POLICY/],
    ["[]", /ACKTOR_POLICY/],
    ['{"rules":[{"do":"jump"}]}', /rules\[0\]\.do/],
    ['{"rules":[{"do":"pause"},{"do":"retry"}]}', /rules\[1\]\.backoff/],
    ['{"rules":[{"do":"pause","typ":"network"}]}', /rules\[0\].*typ/],
    ['{"rules":[{"do":"pause","code":16}]}', /rules\[0\]\.code/],
    ['{"rules":[{"do":"retry","backoff":{"base":"soon"}}]}', /rules\[0\]\.backoff\.base/],
    ['{"rules":[],"x":1}', /x/],
  ];
  const base = { DATABASE_URL: "postgres://h/d", MQTT_URL: "mqtt://h" };
  for (const [text, fault] of faults) {
    const read = readPublisherConfig({ ...base, ACKTOR_POLICY: text });
    assert.ok(!read.ok, text);
    assert.match(read.faults.join("\n"), fault, text);
  }
  assert.ok(readPublisherConfig({ ...base, ACKTOR_POLICY: '{"rules":[{"do":"pause"}]}' }).ok);
});

test("POLICY-3: a user policy that throws or returns nonsense is ignored, and is reported once", () => {
  const told: string[] = [];
  const answers: (() => Decision)[] = [
    () => {
      throw new Error("on purpose");
    },
    () => undefined as never,
    () => ({ kind: "retry", inMs: Number.NaN }),
    () => ({ kind: "retry", inMs: -1 }),
    () => ({ kind: "dead_letter", reason: "" }),
    () => ({ kind: "explode" }) as never,
    () => ({ kind: "retry", inMs: 5 }),
  ];
  const policy = guardPolicy(
    () => {
      const next = answers.shift();
      return next === undefined ? { kind: "pause" } : next();
    },
    (why) => told.push(why),
  );
  for (let i = 0; i < 6; i++) assert.deepEqual(policy(LOST, 1, 0), { kind: "default" });
  assert.deepEqual(policy(LOST, 1, 0), { kind: "retry", inMs: 5 });
  assert.deepEqual(told, ["on purpose"]);
});
