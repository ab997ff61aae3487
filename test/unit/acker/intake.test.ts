import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import { createIntake, type Held } from "@acktor/acker/subscribe/intake";
import fc from "fast-check";

function setUp(limit: number, byteLimit: number) {
  const counts = createCounts();
  const forwarded: Held[] = [];
  const ownPrefixes = ["delivery/ack", "delivery/acker"];
  const forward = (held: Held): boolean => {
    forwarded.push(held);
    return true;
  };
  const intake = createIntake({ limit, byteLimit, ownPrefixes, counts, now: () => 7, forward });
  return { counts, forwarded, intake };
}

const message = (bytes = 1, topic = "data/a") => ({ topic, payload: Buffer.alloc(bytes) });

test("closed at first and when closed: what comes is dropped and counted", () => {
  const { intake, counts, forwarded } = setUp(10, 100);
  intake.receive(message());
  intake.open();
  intake.receive(message());
  intake.close();
  intake.receive(message());
  assert.equal(forwarded.length, 1);
  assert.equal(counts.messages.overflow, 2);
  assert.equal(counts.received, 3);
});

test("our own topics are no messages", () => {
  const { intake, counts, forwarded } = setUp(10, 100);
  intake.open();
  for (const topic of ["delivery/ack/1", "delivery/ack", "delivery/acker/x"]) intake.receive(message(1, topic));
  intake.receive(message(1, "delivery/acknowledged"));
  assert.deepEqual(
    forwarded.map((held) => held.topic),
    ["delivery/acknowledged"],
  );
  assert.equal(counts.messages.ignored, 3);
});

test("never more than the bounds, whatever comes and goes", () => {
  const step = fc.oneof(fc.nat(60), fc.constant("release" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { intake, counts, forwarded } = setUp(5, 100);
      intake.open();
      const held: Held[] = [];
      for (const next of steps) {
        if (next === "release") {
          const one = held.shift();
          if (one !== undefined) intake.release(one);
        } else {
          const before = forwarded.length;
          intake.receive(message(next));
          if (forwarded.length > before) held.push(...forwarded.slice(before));
        }
        assert.ok(intake.size() <= 5 && intake.bytes() <= 100);
        assert.equal(intake.size(), held.length);
        assert.equal(counts.received, forwarded.length + counts.messages.overflow);
      }
    }),
  );
});

test("what the next step does not take is not held", () => {
  const counts = createCounts();
  const intake = createIntake({ limit: 9, byteLimit: 99, ownPrefixes: [], counts, now: () => 0, forward: () => false });
  intake.open();
  intake.receive(message());
  assert.equal(intake.size(), 0);
  assert.equal(counts.messages.overflow, 1);
});

test("a place that is given back twice is free once", () => {
  const { intake, forwarded } = setUp(2, 100);
  intake.open();
  for (let i = 0; i < 2; i++) intake.receive(message(10));
  const [first] = forwarded;
  assert.ok(first !== undefined);
  intake.release(first);
  intake.release(first);
  assert.deepEqual([intake.size(), intake.bytes()], [1, 10]);
});
