/** Packet ids wrap at 65,535: none is handed out twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketIds } from "@acktor/shared/mqtt/packet-ids";
import fc from "fast-check";

// PACKET_IDS-1
test("no id is allocated twice at a time, over several rounds", () => {
  const ids = new PacketIds();
  const held = ids.allocate();
  const seen = new Set<number>();
  for (let i = 0; i < 200_000; i++) {
    const id = ids.allocate();
    assert.ok(id !== null && id >= 1 && id <= 65_535);
    assert.notEqual(id, held);
    seen.add(id);
    ids.deallocate(id);
  }
  assert.equal(seen.size, 65_534);
});

// PACKET_IDS-2
test("with all ids in use `allocate` returns null; a freed id is the next one", () => {
  const ids = new PacketIds();
  for (let i = 0; i < 65_535; i++) assert.notEqual(ids.allocate(), null);
  assert.equal(ids.allocate(), null);
  ids.deallocate(77);
  ids.deallocate(77);
  assert.equal(ids.allocate(), 77);
  assert.equal(ids.allocate(), null);
  ids.clear();
  assert.equal(ids.allocate(), 1);
});

// PACKET_IDS-1
test("behaves like a set of free numbers", () => {
  const operation = fc.oneof(
    fc.constant({ kind: "allocate" as const }),
    fc.record({
      kind: fc.constantFrom("register" as const, "deallocate" as const),
      id: fc.integer({ min: 1, max: 30 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const ids = new PacketIds();
      const out = new Set<number>();
      for (const step of operations) {
        if (step.kind === "allocate") {
          const id = ids.allocate();
          assert.ok(id !== null && !out.has(id));
          out.add(id);
          assert.equal(ids.getLastAllocated(), id);
        } else if (step.kind === "register") {
          assert.equal(ids.register(step.id), !out.has(step.id));
          out.add(step.id);
        } else {
          ids.deallocate(step.id);
          out.delete(step.id);
        }
      }
    }),
  );
});
