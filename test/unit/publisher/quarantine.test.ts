/** Which message a broker hangs up on, and what may be sent meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Plan, Quarantine } from "@acktor/publisher/dispatch/quarantine";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import fc from "fast-check";

interface Message {
  readonly messageId: string;
  readonly topic: string;
}
type Attempts = Map<string, { state: string; message: Message }>;

const NOTHING: Attempts = new Map();
const closed = (): FailureInput => ({ kind: "closed", beforeConnack: false });
const on = (topic: string, messageId = topic): Message => ({ messageId, topic });
const sent = (...messages: Message[]): Attempts =>
  new Map(messages.map((message) => [message.messageId, { state: "SENT", message }]));

/** The connection ends with these in flight. @returns the ids that are convicted */
function hangUp(quarantine: Quarantine, at: number, messages: readonly Message[], cause = closed()): string[] {
  return messages
    .filter((message) => quarantine.lost({ message, sinceSentMs: 10, expectedMs: 5, cause }, at).convicted)
    .map(({ messageId }) => messageId);
}

const later = (plan: Plan): number | null => (plan.kind === "later" ? plan.inMs : null);

test("the first without an answer is the suspect: it waits, the others do not", () => {
  const quarantine = new Quarantine();
  const [bad, good] = [on("bad/1"), on("good/1")];
  hangUp(quarantine, 0, [bad, good]);
  assert.equal(later(quarantine.plan(bad, 0, NOTHING)), 4_000);
  assert.equal(quarantine.plan(good, 0, NOTHING).kind, "send");
});

test("what resembles it waits too: its topic, its siblings, topics as deep as none that passed", () => {
  const quarantine = new Quarantine();
  quarantine.passed(on("good/1"));
  hangUp(quarantine, 0, [on("a/b/c/1")]);
  for (const topic of ["a/b/c/1", "a/b/c/2", "x/y/z/w"]) {
    assert.equal(later(quarantine.plan(on(topic, "new"), 0, NOTHING)), 4_000, topic);
  }
  for (const topic of ["good/1", "good/2", "a/b/other"]) {
    assert.equal(quarantine.plan(on(topic, "new"), 0, NOTHING).kind, "send", topic);
  }
});

// QUARANTINE-4
test("siblings of a topic that passed are not suspected, and a PUBACK clears a parent", () => {
  const quarantine = new Quarantine();
  quarantine.passed(on("devices/1"));
  hangUp(quarantine, 0, [on("devices/2")]);
  assert.equal(quarantine.plan(on("devices/3"), 0, NOTHING).kind, "send");
  hangUp(quarantine, 10, [on("bad/1")]);
  assert.notEqual(later(quarantine.plan(on("bad/2"), 20, NOTHING)), null);
  quarantine.passed(on("bad/3"));
  assert.equal(quarantine.plan(on("bad/2"), 20, NOTHING).kind, "send");
});

// QUARANTINE-1
test("a suspect is sent alone, and nothing is sent next to it", () => {
  const quarantine = new Quarantine();
  const [bad, good] = [on("bad/1"), on("good/1")];
  hangUp(quarantine, 0, [bad]);
  assert.equal(quarantine.plan(bad, 5_000, sent(good)).kind, "hold");
  assert.equal(quarantine.plan(bad, 5_000, NOTHING).kind, "send");
  assert.equal(quarantine.plan(good, 5_000, sent(bad)).kind, "hold");
  assert.notEqual(later(quarantine.plan(on("bad/2"), 5_000, sent(bad))), null);
  quarantine.passed(bad);
  assert.equal(quarantine.plan(good, 5_000, NOTHING).kind, "send");
});

function endsAlone(quarantine: Quarantine, bad: Message, from: number, times: number, cause?: FailureInput): string[] {
  return Array.from({ length: times }, (_, n) => {
    const at = from + n * 20_000;
    quarantine.passed(on("control"));
    assert.equal(quarantine.plan(bad, at, NOTHING).kind, "send");
    return hangUp(quarantine, at + 5, [bad], cause === undefined ? closed() : { ...cause });
  }).flat();
}

test("three ends alone convict, two where the broker gave a reason or under a convicted parent", () => {
  const quarantine = new Quarantine();
  const tooLarge: FailureInput = { kind: "disconnect", code: 0x95 };
  hangUp(quarantine, 0, [on("bad/1")]);
  assert.deepEqual(endsAlone(quarantine, on("bad/1"), 20_000, 2), []);
  assert.deepEqual(endsAlone(quarantine, on("bad/1"), 60_000, 1), ["bad/1"]);
  assert.deepEqual(endsAlone(quarantine, on("bad/2"), 80_000, 2), ["bad/2"]);
  hangUp(quarantine, 120_000, [on("large/1")]);
  assert.deepEqual(endsAlone(quarantine, on("large/1"), 140_000, 2, tooLarge), ["large/1"]);
  assert.deepEqual(quarantine.hangUps(0), { count: 3, topics: ["bad/1", "bad/2", "large/1"] });
});

// QUARANTINE-1
test("a suspect that ended without an answer lets the others go together again", () => {
  const quarantine = new Quarantine();
  const [bad, good, other] = [on("bad/1"), on("good/1"), on("other/1")];
  hangUp(quarantine, 0, [bad]);
  assert.equal(quarantine.plan(bad, 5_000, NOTHING).kind, "send");
  assert.equal(quarantine.plan(good, 5_000, sent(bad)).kind, "hold");
  // Its deadline passed: only the book knows that.
  assert.equal(quarantine.plan(good, 7_000, NOTHING).kind, "send");
  assert.equal(quarantine.plan(other, 7_000, sent(good)).kind, "send");
});

// QUARANTINE-5
test("while nothing else passes, a network that drops each connection convicts no message within ten minutes", () => {
  const quarantine = new Quarantine();
  const messages = Array.from({ length: 50 }, (_, n) => on(`devices/${n}`));
  for (const { topic } of messages) quarantine.passed(on(topic, "earlier"));
  for (let now = 0; now < 600_000; now += 1_200) {
    const flying: Message[] = [];
    for (const message of messages) {
      if (quarantine.plan(message, now, sent(...flying)).kind === "send") flying.push(message);
    }
    assert.deepEqual(hangUp(quarantine, now + 200, flying), []);
  }
});

// QUARANTINE-5
test("with nothing else to send, a message is convicted after ten ends alone within more than ten minutes", () => {
  const quarantine = new Quarantine();
  const bad = on("bad/1");
  let [now, ends] = [0, 0];
  hangUp(quarantine, now, [bad]);
  for (let found: string[] = []; found.length === 0; ends++) {
    now += 20_000;
    assert.equal(quarantine.plan(bad, now, NOTHING).kind, "send");
    found = hangUp(quarantine, now, [bad]);
  }
  assert.deepEqual([now, ends], [640_000, 32]);
});

// QUARANTINE-3
test("what is not seen again for ten minutes is forgotten: another replica may have delivered it", () => {
  const quarantine = new Quarantine();
  hangUp(quarantine, 0, [on("a/b/c/d/e/f/g/h/i")]);
  quarantine.plan(on("a/b/c/d/e/f/g/h/i"), 300_000, sent(on("x")));
  assert.equal(quarantine.hangUps(899_999)?.count, 1);
  assert.equal(quarantine.hangUps(900_000), null);
  assert.equal(quarantine.plan(on("a/b/c/d/e/f/g/h/j"), 900_000, sent(on("x"))).kind, "send");
});

test("late ends, our own deadlines and a broker that shuts down suspect no message", () => {
  const quarantine = new Quarantine();
  const message = on("fine/1");
  for (const cause of [
    { kind: "deadline", of: "silence", afterMs: 2_000 } as const,
    { kind: "disconnect", code: 0x8b } as const,
  ]) {
    assert.deepEqual(quarantine.lost({ message, sinceSentMs: 10, expectedMs: 5, cause }, 0), {
      convicted: false,
      ours: false,
    });
  }
  assert.equal(quarantine.lost({ message, sinceSentMs: 1_001, expectedMs: 5, cause: closed() }, 0).ours, false);
  assert.equal(quarantine.plan(message, 0, NOTHING).kind, "send");
});

// QUARANTINE-2
test("with any poisonous messages, suspects end at most eight connections in any minute", () => {
  const topics = fc.uniqueArray(fc.stringMatching(/^[a-e]\/[a-z]{1,3}$/), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(topics, fc.nat(400), (bad, connectMs) => {
      const quarantine = new Quarantine();
      const left = new Set(bad);
      const ends: number[] = [];
      let now = 0;
      for (let step = 0; step < 3_000 && left.size > 0; step++, now += 100) {
        const flying: Message[] = [];
        for (const topic of left) {
          if (quarantine.plan(on(topic), now, sent(...flying)).kind === "send") flying.push(on(topic));
        }
        if (flying.length === 0) continue;
        ends.push(now);
        for (const id of hangUp(quarantine, now, flying)) left.delete(id);
        now += connectMs;
      }
      for (const at of ends)
        assert.ok(ends.filter((other) => other >= at && other < at + 60_000).length <= 8, `${ends}`);
    }),
    { numRuns: 50 },
  );
});

// QUARANTINE-1
test("a conviction never hits a bystander", () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 12 });
  const orders = fc.array(fc.array(fc.nat()), { minLength: 60, maxLength: 60 });
  fc.assert(
    fc.property(ids, orders, (bystanders, shuffles) => {
      const quarantine = new Quarantine();
      let convicted = false;
      let now = 0;
      for (const shuffle of shuffles) {
        now += 13_000;
        const queue = ["BAD", ...bystanders].sort((a, b) => (shuffle[a.length] ?? 0) - (shuffle[b.length] ?? 0));
        const flying: Message[] = [];
        for (const id of queue) {
          const message = on(`t/${id}`, id);
          if (quarantine.plan(message, now, sent(...flying)).kind === "send") flying.push(message);
        }
        const hangsUp = flying.some(({ messageId }) => messageId === "BAD") && !convicted;
        if (!hangsUp) for (const message of flying) quarantine.passed(message);
        else {
          const found = hangUp(quarantine, now, flying);
          for (const id of found) assert.equal(id, "BAD");
          convicted = found.length > 0;
        }
      }
      assert.ok(convicted, "the bad one is found");
    }),
  );
});

// QUARANTINE-3
test("what is remembered is bounded", () => {
  const quarantine = new Quarantine();
  for (let n = 0; n < 25_000; n++) hangUp(quarantine, n * 60_000, [on(`t${n}/x`)]);
  assert.ok((quarantine.hangUps(0)?.count ?? 0) <= 10_000);
});
