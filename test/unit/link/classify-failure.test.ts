/** Five error types (docs/explanation/architecture.md#the-tutorials-features), and what the link does about each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { classifyFailure, isBrokerTrouble, remedyFor } from "@acktor/shared/link/classify-failure";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import fc from "fast-check";

const connack = (code: number, protocolVersion: 4 | 5 = 5): FailureInput => ({
  kind: "connack",
  protocolVersion,
  code,
});
const errno = (code: string): FailureInput => ({ kind: "error", code, message: `connect ${code}` });
const disconnect = (code: number): FailureInput => ({ kind: "disconnect", code });
const deadline = (of: "connect" | "puback"): FailureInput => ({ kind: "deadline", of, afterMs: 5_000 });

const TABLE: readonly (readonly [what: string, input: FailureInput, type: string, remedy: string])[] = [
  ["refused by the host", errno("ECONNREFUSED"), "network", "retry"],
  ["reset", errno("ECONNRESET"), "network", "retry"],
  ["unknown host", errno("ENOTFOUND"), "network", "retry"],
  ["the kernel's own timeout", errno("ETIMEDOUT"), "timeout", "retry"],
  ["not TLS at the other end", errno("EPROTO"), "protocol", "retry"],
  ["certificate of an unknown authority", errno("DEPTH_ZERO_SELF_SIGNED_CERT"), "authentication", "operator"],
  ["certificate over", errno("CERT_HAS_EXPIRED"), "authentication", "operator"],
  ["certificate of another host", errno("ERR_TLS_CERT_ALTNAME_INVALID"), "authentication", "operator"],
  ["closed before CONNACK", { kind: "closed", beforeConnack: true }, "network", "maybe_older_version"],
  ["closed later", { kind: "closed", beforeConnack: false }, "network", "retry"],
  ["3.1.1: version", connack(1, 4), "protocol", "older_version"],
  ["3.1.1: version, told to a CONNECT of 5", connack(1, 5), "protocol", "older_version"],
  ["3.1.1: identifier", connack(2, 4), "authentication", "operator"],
  ["3.1.1: unavailable", connack(3, 4), "network", "busy"],
  ["3.1.1: credentials", connack(4, 4), "authentication", "operator"],
  ["3.1.1: not authorized", connack(5, 4), "authentication", "operator"],
  ["5: version", connack(0x84), "protocol", "older_version"],
  ["5: identifier", connack(0x85), "authentication", "operator"],
  ["5: credentials", connack(0x86), "authentication", "operator"],
  ["5: not authorized", connack(0x87), "authentication", "operator"],
  ["5: unavailable", connack(0x88), "network", "busy"],
  ["5: busy", connack(0x89), "network", "busy"],
  ["5: banned", connack(0x8a), "authentication", "operator"],
  ["5: quota", connack(0x97), "network", "busy"],
  ["5: connection rate", connack(0x9f), "network", "busy"],
  ["taken over", disconnect(0x8e), "authentication", "operator"],
  ["shutting down", disconnect(0x8b), "network", "retry"],
  ["hung up on a message of ours", disconnect(0x87), "authentication", "retry"],
  ["hung up on a retained message", disconnect(0x9a), "protocol", "retry"],
  [
    "no SUBACK for a filter on 3.1.1",
    { kind: "suback", protocolVersion: 4, code: 0x80, filter: "a" },
    "authentication",
    "operator",
  ],
  ["a filter refused", { kind: "suback", protocolVersion: 5, code: 0x87, filter: "a" }, "authentication", "operator"],
  ["a group refused", { kind: "suback", protocolVersion: 5, code: 0x9e, filter: "$share/g/a" }, "protocol", "operator"],
  ["message refused", { kind: "puback", code: 0x99 }, "application", "retry"],
  ["nonsense bytes", { kind: "malformed", message: "Invalid header" }, "protocol", "retry"],
  ["no CONNACK", deadline("connect"), "timeout", "retry"],
  ["no PUBACK", deadline("puback"), "timeout", "retry"],
  ["our own fault", { kind: "bug", message: "x is not a function" }, "application", "retry"],
];

for (const [what, input, type, remedy] of TABLE) {
  test(`${what}: ${type}, ${remedy}`, () => {
    const failure = classifyFailure(input);
    assert.equal(failure.type, type);
    assert.equal(remedyFor(input), remedy);
    assert.equal(failure.retryable, remedy !== "operator" && remedy !== "older_version");
    assert.notEqual(failure.reason, "");
  });
}

const anyCode = fc.nat(255);
const inputs: fc.Arbitrary<FailureInput> = fc.oneof(
  fc.record({
    kind: fc.constant("connack" as const),
    protocolVersion: fc.constantFrom(4 as const, 5 as const),
    code: anyCode,
  }),
  fc.record({ kind: fc.constant("disconnect" as const), code: anyCode }),
  fc.record({ kind: fc.constant("puback" as const), code: anyCode }),
  fc.record({
    kind: fc.constant("suback" as const),
    protocolVersion: fc.constantFrom(4 as const, 5 as const),
    code: anyCode,
    filter: fc.string({ unit: "binary" }),
  }),
  fc.record({
    kind: fc.constant("error" as const),
    code: fc.option(fc.string()),
    message: fc.string({ unit: "binary" }),
  }),
  fc.record({ kind: fc.constant("malformed" as const), message: fc.string({ unit: "binary", maxLength: 2_000 }) }),
);

test("every code has a type, and every reason is one bounded line", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const { type, reason } = classifyFailure(input);
      assert.ok(["network", "authentication", "timeout", "protocol", "application"].includes(type));
      assert.ok(reason.length <= 300);
      assert.doesNotMatch(reason, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test("only a quota counts against the broker; a refusal of one message does not", () => {
  assert.equal(isBrokerTrouble(0x97), true);
  for (const code of [0x10, 0x87, 0x90, 0x99]) assert.equal(isBrokerTrouble(code), false);
});
