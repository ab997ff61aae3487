import assert from "node:assert/strict";
import { test } from "node:test";
import { createCounts } from "@acktor/acker/control/counts";
import { Intake } from "@acktor/acker/subscribe/intake";
import { type Held, Places } from "@acktor/acker/subscribe/places";
import fc from "fast-check";

function setUp(limit: number, byteLimit: number) {
  const counts = createCounts();
  const forwarded: Held[] = [];
  const ownPrefixes = ["delivery/ack", "delivery/acker"];
  const next = {
    take(held: Held): boolean {
      forwarded.push(held);
      return true;
    },
  };
  const places = new Places({ limit, byteLimit });
  const intake = new Intake({ places, next, ownPrefixes, counts, clock: { now: () => 7 } });
  return { counts, forwarded, intake, places };
}

const message = (bytes = 1, topic = "data/a") => ({ topic, payload: Buffer.alloc(bytes) });

test("ARRIVAL-1: while the intake is closed, messages are dropped and counted", () => {
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

test("ARRIVAL-2: acktor's own topics are not messages", () => {
  const { intake, counts, forwarded } = setUp(10, 100);
  intake.open();
  for (const topic of ["delivery/ack/1", "delivery/ack", "delivery/acker/x", "$JS/x"])
    intake.receive(message(1, topic));
  intake.receive(message(1, "delivery/acknowledged"));
  assert.deepEqual(
    forwarded.map((held) => held.topic),
    ["delivery/acknowledged"],
  );
  assert.equal(counts.messages.ignored, 4);
});

test("PLACES-1: never more than the bounds, in any order of arrivals and releases", () => {
  const step = fc.oneof(fc.nat(60), fc.constant("release" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { intake, counts, forwarded, places } = setUp(5, 100);
      intake.open();
      const held: Held[] = [];
      for (const next of steps) {
        if (next === "release") {
          const one = held.shift();
          if (one !== undefined) places.release(one);
        } else {
          const before = forwarded.length;
          intake.receive(message(next));
          if (forwarded.length > before) held.push(...forwarded.slice(before));
        }
        assert.ok(places.size() <= 5 && places.bytes() <= 100);
        assert.equal(places.size(), held.length);
        assert.equal(counts.received, forwarded.length + counts.messages.overflow);
      }
    }),
  );
});

test("an arrival that the next step does not take is not held", () => {
  const counts = createCounts();
  const places = new Places({ limit: 9, byteLimit: 99 });
  const next = { take: () => false };
  const intake = new Intake({ places, next, ownPrefixes: [], counts, clock: { now: () => 0 } });
  intake.open();
  intake.receive(message());
  assert.equal(places.size(), 0);
  assert.equal(counts.messages.overflow, 1);
});

test("PLACES-2: an arrival that the next step releases immediately holds no place", () => {
  const places = new Places({ limit: 9, byteLimit: 99 });
  const next = {
    take(held: Held): boolean {
      places.release(held);
      return true;
    },
  };
  const intake = new Intake({ places, next, ownPrefixes: [], counts: createCounts(), clock: { now: () => 0 } });
  intake.open();
  intake.receive(message());
  assert.deepEqual([places.size(), places.bytes()], [0, 0]);
});

test("a place that is released twice is free once", () => {
  const { intake, forwarded, places } = setUp(2, 100);
  intake.open();
  for (let i = 0; i < 2; i++) intake.receive(message(10));
  const [first] = forwarded;
  assert.ok(first !== undefined);
  places.release(first);
  places.release(first);
  assert.deepEqual([places.size(), places.bytes()], [1, 10]);
});
