/** The newest events: bounded, in order, and no event is built without a request. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventRing } from "@acktor/shared/inspect/event-ring";
import type { DeliveriesEvent, InspectEvent } from "@acktor/shared/inspect/wire";
import fc from "fast-check";

const STAMP = { v: 1, ts: 0, service: "publisher", instance: "p", boot: "b" } as const;

function event(seq: number): InspectEvent {
  const state = {
    actor: "link",
    machine: "link",
    event: null,
    edges: [],
    value: "A",
    context: {},
    delays: [],
    can: [],
  };
  return { ...STAMP, seq, kind: "transition", ...state };
}

const ALL = 1e9;
const seqs = (events: readonly InspectEvent[]): number[] => events.map(({ seq }) => seq);

test("RING-1: the newest up to the capacity, oldest first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 70 }), (capacity, count) => {
      const ring = new EventRing(capacity);
      const all = Array.from({ length: count }, (_, at) => at + 1);
      for (const seq of all) ring.push(event(seq));
      assert.deepEqual(seqs(ring.newest(ALL)), all.slice(-capacity));
    }),
  );
});

test("2,000 are kept by default", () => {
  const ring = new EventRing();
  for (let seq = 1; seq <= 2_500; seq++) ring.push(event(seq));
  assert.deepEqual([ring.size, ring.newest(ALL)[0]?.seq], [2_000, 501]);
});

test("the oldest events are left out where the bytes do not suffice", () => {
  const ring = new EventRing();
  for (let seq = 1; seq <= 9; seq++) ring.push(event(seq));
  const one = JSON.stringify(event(1)).length + 1;
  assert.deepEqual(seqs(ring.newest(one * 3)), [7, 8, 9]);
  assert.deepEqual(seqs(ring.newest(one * 3 - 1)), [8, 9]);
  assert.deepEqual(ring.newest(0), []);
});

test("RING-2: a note becomes an event when a viewer asks for it, once, and never when it was replaced before", () => {
  const ring = new EventRing(2);
  const made: number[] = [];
  for (let seq = 1; seq <= 3; seq++) {
    ring.push(() => {
      made.push(seq);
      return event(seq);
    });
  }
  assert.deepEqual(made, []);
  ring.newest(ALL);
  assert.deepEqual(seqs(ring.newest(ALL)), [2, 3]);
  assert.deepEqual(made.sort(), [2, 3]);
});

test("RING-3: a few of many steps of messages are kept, and all counts", () => {
  const ring = new EventRing();
  const steps = Array.from({ length: 50 }, () => ({ step: "puback", message_id: "m", ts: 0, topic: "t" }) as const);
  ring.push({ ...STAMP, seq: 1, kind: "deliveries", counts: { puback: 900 }, steps });
  const [kept] = ring.newest(ALL) as DeliveriesEvent[];
  assert.deepEqual([kept?.steps.length, kept?.counts], [5, { puback: 900 }]);
});
