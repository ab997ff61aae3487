/** The in-flight window and the one outcome of each publish, without a socket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrokerLimits, OutgoingPublish, PublishOutcome } from "@acktor/shared/link/link";
import { PublishPipe } from "@acktor/shared/mqtt/publish-pipe";
import fc from "fast-check";

const LIMITS: BrokerLimits = {
  receiveMaximum: 65_535,
  maximumPacketSize: 1_000,
  maximumQos: 2,
  retainAvailable: true,
  sharedSubscriptions: true,
};
const MESSAGE: OutgoingPublish = { topic: "a", payload: "x", qos: 1, retain: false };

function pipe(limits: Partial<BrokerLimits> = {}, sendQuota = 2_000) {
  const world = { now: 0, buffered: 0, wakes: 0, lingers: 0 };
  const written: Buffer[] = [];
  const outcomes: string[] = [];
  const samples: number[] = [];
  const clock = { now: () => world.now, wallClock: () => 0 };
  const made = new PublishPipe(
    {
      protocolVersion: 5,
      sendQuota,
      deadlines: { publishDeadlineMs: 2_000 },
      roundTrip: { published: (ms) => samples.push(ms) },
      clock,
    },
    {
      get buffered() {
        return world.buffered;
      },
      write: (bytes) => written.push(bytes),
      flushThisTurn: () => void world.wakes++,
      flushSoon: () => void world.lingers++,
      settled: ({ onOutcome }, outcome) => onOutcome(outcome),
    },
  );
  made.open({ ...LIMITS, ...limits });
  const publish = (name: string, message: Partial<OutgoingPublish> = {}) =>
    made.publish({ ...MESSAGE, ...message }, 0, (outcome) => outcomes.push(`${name} ${describe(outcome)}`));
  return { pipe: made, world, written, outcomes, samples, publish };
}

const describe = (outcome: PublishOutcome): string =>
  "why" in outcome ? `${outcome.kind} ${outcome.why}` : `${outcome.kind} ${outcome.reasonCode}`;

// PIPE-2
test("the window is the smaller of Receive Maximum and the quota", () => {
  const { pipe: made, publish } = pipe({ receiveMaximum: 2 }, 10);
  assert.equal(made.capacity(), 2);
  assert.equal(publish("a"), null);
  assert.equal(publish("b"), null);
  assert.equal(made.capacity(), 0);
  assert.equal(publish("c"), "window_full");
  made.answered(1, 1, 0);
  assert.equal(made.capacity(), 1);
  assert.equal(pipe({}, 10).pipe.capacity(), 10);
});

// PIPE-3
test("what this broker does not accept is not written", () => {
  const { publish, written, pipe: made } = pipe({ maximumQos: 1, retainAvailable: false });
  assert.equal(publish("a", { qos: 2 }), "qos_unsupported");
  assert.equal(publish("b", { retain: true }), "retain_unsupported");
  assert.equal(publish("c", { payload: "x".repeat(1_000) }), "too_large");
  made.flush();
  assert.equal(written.length, 0);
});

// PIPE-3
test("the largest packet that the broker accepts is written, one byte more is not", () => {
  const { publish } = pipe({ maximumPacketSize: 209 });
  // Header 1, length 2, topic 3, id 2, no properties but the payload format: 3.
  assert.equal(publish("a", { payload: "x".repeat(198) }), null);
  assert.equal(publish("b", { payload: "x".repeat(199) }), "too_large");
});

test("a socket that does not drain closes the window, for QoS 0 too", () => {
  const { publish, world, pipe: made } = pipe();
  world.buffered = 4 * 1_024 * 1_024;
  assert.equal(made.capacity(), 0);
  assert.equal(publish("a", { qos: 0 }), "window_full");
});

// WRITER-2
test("a turn's packets leave as one piece", () => {
  const { pipe: made, publish, written, world } = pipe();
  for (let i = 0; i < 100; i++) publish("m");
  made.puback(7);
  assert.ok(world.wakes > 0);
  assert.equal(written.length, 0);
  made.flush();
  assert.equal(written.length, 1);
});

// WRITER-2
test("one PUBACK does not end the turn; the pipe waits for more", () => {
  const { pipe: made, written, world } = pipe();
  made.puback(7);
  assert.deepEqual([world.wakes, world.lingers], [0, 1]);
  made.flush();
  assert.deepEqual(written, [Buffer.from([0x40, 2, 0, 7])]);
});

test("QoS 0 is acked once it is written, and not while it is being published", () => {
  const { pipe: made, publish, outcomes } = pipe();
  publish("a", { qos: 0 });
  assert.deepEqual(outcomes, []);
  made.flush();
  assert.deepEqual(outcomes, ["a acked 0"]);
});

test("reason codes reach the outcome: no subscriber, refused", () => {
  const { pipe: made, publish, outcomes } = pipe();
  for (const name of ["a", "b", "c", "d"]) publish(name, name === "d" ? { qos: 2 } : {});
  made.answered(1, 1, 0x10);
  made.answered(2, 1, 0x87);
  made.answered(3, 1, 0);
  made.received(4, 0x97);
  assert.deepEqual(outcomes, ["a acked 16", "b refused 135", "c acked 0", "d refused 151"]);
});

test("QoS 2 is acked by PUBCOMP, and PUBREC gets its PUBREL", () => {
  const { pipe: made, publish, outcomes, written } = pipe();
  publish("a", { qos: 2 });
  made.answered(1, 1, 0);
  assert.deepEqual(outcomes, [], "a PUBACK does not settle a publish of QoS 2");
  made.received(1, 0);
  made.flush();
  assert.deepEqual(Buffer.concat(written).subarray(-4), Buffer.from([0x62, 2, 0, 1]));
  made.answered(1, 2, 0);
  assert.deepEqual(outcomes, ["a acked 0"]);
});

// OUTSTANDING-1, OUTSTANDING-2
test("a deadline settles once; the id stays in use until the late answer, which settles nothing", () => {
  const { pipe: made, publish, outcomes, world } = pipe({}, 1);
  publish("a");
  world.now = 2_000;
  made.expire(world.now);
  assert.deepEqual(outcomes, ["a lost deadline"]);
  assert.equal(made.capacity(), 0);
  assert.equal(made.owed().overdueAnswers, 1);
  made.answered(1, 1, 0);
  assert.deepEqual(outcomes, ["a lost deadline"]);
  assert.equal(made.capacity(), 1);
});

test("the end of the connection settles everything, and nothing more is accepted", () => {
  const { pipe: made, publish, outcomes } = pipe();
  publish("a");
  publish("b", { qos: 0 });
  made.close(null);
  made.close(null);
  made.answered(1, 1, 0);
  assert.deepEqual(outcomes.sort(), ["a lost disconnected", "b lost disconnected"]);
  assert.equal(publish("c"), "not_connected");
});

type Step = { readonly kind: "publish" | "answer" | "late" | "expire" | "flush"; readonly n: number };

// PIPE-1
test("in every order of events, each accepted publish gets exactly one outcome", () => {
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({ kind: fc.constantFrom("publish", "answer", "late", "expire", "flush"), n: fc.nat(70) }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const { pipe: made, publish, outcomes, world } = pipe({ receiveMaximum: 20 });
      let taken = 0;
      for (const { kind, n } of list) {
        world.now += 50;
        if (kind === "publish" && publish(`m${taken}`, { qos: (n % 3) as 0 | 1 | 2 }) === null) taken++;
        if (kind === "answer") made.answered(n, 1, 0);
        if (kind === "late") made.answered(n, 2, n % 2 === 0 ? 0 : 0x87);
        if (kind === "expire") made.expire(world.now);
        if (kind === "flush") made.flush();
        assert.ok(made.owed().answers <= 20);
      }
      made.close(null);
      const names = outcomes.map((outcome) => outcome.split(" ")[0]);
      assert.equal(names.length, taken);
      assert.equal(new Set(names).size, taken);
    }),
  );
});
