/** Where an error policy is asked, and what becomes of its answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Decision, DeliveryError, ErrorPolicy } from "@acktor/shared/runtime/error-policy";
import { dispatcherRig, PUBACK } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";
import { settlerRig } from "../../support/settler-rig.ts";

interface Asked {
  readonly error: DeliveryError;
  readonly attempt: number;
  readonly ageMs: number;
}

/** Answers one kind of error, and keeps what it was asked. */
function policyFor(on: DeliveryError["on"], decision: Decision): { policy: ErrorPolicy; asked: Asked[] } {
  const asked: Asked[] = [];
  const policy: ErrorPolicy = (error, attempt, ageMs) => {
    asked.push({ error, attempt, ageMs });
    return error.on === on ? decision : { kind: "default" };
  };
  return { policy, asked };
}

test("a refused PUBLISH: asked with its type, code, attempt and age; retried when the policy says", () => {
  const { policy, asked } = policyFor("publish_refused", { kind: "retry", inMs: 77_000 });
  const rig = dispatcherRig({ policy });
  const message = leased({ attempts: 2, createdAt: 940 });
  rig.offer(message);
  rig.settle(message.messageId, { kind: "refused", reasonCode: 0x87 });
  const { error, attempt, ageMs } = asked.at(-1) ?? assert.fail("not asked");
  assert.deepEqual(
    [error.type, error.reasonCode, error.topic, attempt, ageMs],
    ["authentication", 0x87, message.topic, 3, 60_000],
  );
  assert.equal(rig.told.records[0]?.nextInMs, 77_000);
});

test("a dead letter by policy fails after its attempt is recorded, unless another owner has the row", () => {
  for (const isFenced of [false, true]) {
    const { policy } = policyFor("publish_lost", { kind: "dead_letter", reason: "enough" });
    const rig = dispatcherRig({ policy });
    const message = leased();
    rig.offer(message);
    rig.settle(message.messageId, { kind: "lost", why: "deadline" });
    assert.deepEqual(rig.told.failed, []);
    rig.confirm(new Set(isFenced ? [message.messageId] : []));
    assert.deepEqual(
      rig.told.failed.map(({ reason }) => reason),
      isFenced ? [] : ["enough"],
    );
  }
});

test("pause parks the destination and what waits for it", () => {
  const { policy } = policyFor("publish_refused", { kind: "pause" });
  const rig = dispatcherRig({ policy });
  rig.link.room = 1;
  const [first, second] = [leased(), leased()];
  rig.offer(first);
  rig.link.room = 0;
  rig.offer(second);
  rig.settle(first.messageId, { kind: "refused", reasonCode: 0x97 });
  assert.deepEqual(
    rig.told.parked.map(({ messages }) => messages.map((m) => m.messageId)),
    [[second.messageId]],
  );
});

test("an ack timeout: its pause is counted from the timeout; a dead letter fails", () => {
  const retry = policyFor("ack_timeout", { kind: "retry", inMs: 10_000 });
  const rig = dispatcherRig({ policy: retry.policy });
  const message = leased();
  rig.offer(message);
  rig.settle(message.messageId, PUBACK);
  rig.pass(100);
  assert.equal(rig.told.records[0]?.nextInMs, 2_000 + 10_000 - 100);

  const dead = policyFor("ack_timeout", { kind: "dead_letter", reason: "nobody" });
  const other = dispatcherRig({ policy: dead.policy });
  other.offer(message);
  other.settle(message.messageId, PUBACK);
  other.pass(100);
  other.confirm();
  assert.deepEqual(other.told.failed, []);
  other.pass(2_000);
  assert.deepEqual(
    other.told.failed.map(({ reason }) => reason),
    ["nobody"],
  );
});

test("a retryable rejection: retried when the policy says, but not before the receiver's wish; or given up; or paused", async () => {
  const outcomes: unknown[] = [];
  for (const [decision, ack] of [
    [{ kind: "retry", inMs: 5_000 }, { retry_after: 1 }],
    [{ kind: "retry", inMs: 5_000 }, { retry_after: 9 }],
    [{ kind: "dead_letter", reason: "x" }, {}],
    [{ kind: "pause" }, {}],
    [{ kind: "dead_letter", reason: "x" }, { retryable: false }],
  ] as [Decision, object][]) {
    const paused: string[] = [];
    const { policy, asked } = policyFor("rejected", decision);
    const onRest = ({ message }: { message: { messageId: string } }): void => void paused.push(message.messageId);
    const rig = settlerRig({ policy, onRest });
    const { id } = rig.publish({ leaseToken: "7", attempts: 1 });
    rig.receive(id, JSON.stringify({ status: "rejected", attempt_token: "7", reason: "no disk", ...ack }));
    await rig.writer.drain();
    const [rejection] = rig.rejected.flat();
    outcomes.push([rejection?.retryable, rejection?.retryInMs, paused.length, asked.length]);
  }
  assert.deepEqual(outcomes, [
    [true, 5_000, 0, 1],
    [true, 9_000, 0, 1],
    [false, 1_000, 0, 1],
    [true, 1_000, 1, 1],
    [false, 1_000, 0, 0],
  ]);
});
