import assert from "node:assert/strict";
import { test } from "node:test";
import { Quarantine } from "@acktor/publisher/dispatch/quarantine";
import fc from "fast-check";

const PROMPT = 10;
type Attempts = Map<string, { state: string; message: { messageId: string } }>;
const attempt = (messageId: string, state = "SENT") => [messageId, { state, message: { messageId } }] as const;
const NOTHING: Attempts = new Map();
const nextTo = (...ids: string[]): Attempts => new Map(ids.map((id) => attempt(id)));

function ends(quarantine: Quarantine, id: string, times: number): boolean[] {
  return Array.from({ length: times }, () => quarantine.lost(id, PROMPT));
}

test("a message at which the connection ended promptly five times in a row is convicted", () => {
  assert.deepEqual(ends(new Quarantine(), "bad", 5), [false, false, false, false, true]);
});

test("a conviction starts from the beginning", () => {
  const quarantine = new Quarantine();
  ends(quarantine, "bad", 5);
  assert.equal(quarantine.admits("bad", nextTo("other")), true);
  assert.deepEqual(ends(quarantine, "bad", 5).at(-1), true);
});

test("what ended late was the network", () => {
  const quarantine = new Quarantine();
  for (let i = 0; i < 20; i++) assert.equal(quarantine.lost("fine", 1_001), false);
  assert.equal(quarantine.admits("fine", nextTo("other")), true);
});

test("a PUBACK clears", () => {
  const quarantine = new Quarantine();
  ends(quarantine, "fine", 4);
  quarantine.passed("fine");
  assert.equal(quarantine.admits("fine", nextTo("other")), true);
  assert.equal(quarantine.lost("fine", PROMPT), false);
});

test("QUARANTINE-1: from the second connection that ended with it, a message is sent alone", () => {
  const quarantine = new Quarantine();
  ends(quarantine, "bad", 1);
  assert.equal(quarantine.admits("bad", nextTo("other")), true);
  ends(quarantine, "bad", 1);
  assert.equal(quarantine.admits("bad", NOTHING), true);
  assert.equal(quarantine.admits("bad", nextTo("other")), false);
  assert.equal(quarantine.admits("other", nextTo("bad")), false);
  assert.equal(quarantine.admits("other", nextTo("third")), true);
});

test("what the broker has acked shares no suspicion", () => {
  const quarantine = new Quarantine();
  ends(quarantine, "bad", 2);
  assert.equal(quarantine.admits("bad", new Map([attempt("other", "AWAITING_ACK")])), true);
});

/**
 * Connections that end each time the one bad message is in flight, with any others. Each round sends what the
 * quarantine admits next to what is in flight; everything in flight is there when the connection ends.
 */
test("a conviction never hits a bystander", () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 12 });
  const orders = fc.array(fc.array(fc.nat()), { minLength: 30, maxLength: 30 });
  fc.assert(
    fc.property(ids, orders, (bystanders, shuffles) => {
      const quarantine = new Quarantine();
      let convicted = false;
      for (const shuffle of shuffles) {
        const queue = ["BAD", ...bystanders].sort((a, b) => (shuffle[a.length] ?? 0) - (shuffle[b.length] ?? 0));
        const inFlight: Attempts = new Map();
        for (const id of queue) {
          if (!quarantine.admits(id, inFlight)) continue;
          inFlight.set(...attempt(id));
        }
        const hangsUp = inFlight.has("BAD") && !convicted;
        for (const id of inFlight.keys()) {
          if (!hangsUp) quarantine.passed(id);
          else if (quarantine.lost(id, PROMPT)) {
            assert.equal(id, "BAD");
            convicted = true;
          }
        }
      }
    }),
  );
});

test("QUARANTINE-2: it remembers a bounded number of suspects, the latest", () => {
  const quarantine = new Quarantine();
  for (let i = 0; i < 10_001; i++) ends(quarantine, `m${i}`, 2);
  assert.equal(quarantine.admits("m0", nextTo("x")), true);
  assert.equal(quarantine.admits("m10000", nextTo("x")), false);
});
