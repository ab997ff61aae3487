/** The simulation: virtual time, plans, invariants that hold, histories that repeat, plans that shrink. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InboxTable } from "@acktor/chaos/sim/inbox-table";
import { OutboxTable } from "@acktor/chaos/sim/outbox-table";
import { shrink } from "@acktor/chaos/sim/shrink";
import { SimBroker } from "@acktor/chaos/sim/sim-broker";
import { WORKS } from "@acktor/chaos/sim/sim-handler";
import { planFor, type SimPlan } from "@acktor/chaos/sim/sim-plan";
import { SimTransports } from "@acktor/chaos/sim/sim-transport";
import { simulate } from "@acktor/chaos/sim/simulate";
import { type SimProcess, VirtualTime } from "@acktor/chaos/sim/virtual-time";
import type { FailureInput } from "@acktor/shared/mqtt/failure-input";
import type { PublishOutcome } from "@acktor/shared/mqtt/messages";
import { RoundTrip } from "@acktor/shared/mqtt/round-trip";
import type { TransportListener, TransportOptions } from "@acktor/shared/mqtt/transport";
import { inboxMessage, outboxMessage } from "../../support/sim-message.ts";

const SEEDS = 60;

test("VIRTUAL_TIME-1, VIRTUAL_TIME-2, VIRTUAL_TIME-3: events run by time, then by their order; those of dead processes do not", async () => {
  const time = new VirtualTime();
  const done: string[] = [];
  const dead: SimProcess = { name: "dead", alive: true };
  time.install();
  try {
    setTimeout(() => done.push("b"), 20);
    setTimeout(() => done.push("a"), 10);
    setTimeout(() => done.push("c"), 20);
    const cleared = setTimeout(() => done.push("never"), 15);
    clearTimeout(cleared);
    let ticks = 0;
    const ticking = setInterval(() => {
      done.push("tick");
      if (++ticks === 2) clearInterval(ticking);
    }, 12);
    time.as(dead, () => setTimeout(() => done.push("of the dead"), 30));
    time.later(25, () => {
      dead.alive = false;
    });
    void Promise.resolve().then(() => setImmediate(() => done.push("now")));
    await Promise.resolve();
    await time.run(1_000, () => false);
  } finally {
    time.uninstall();
  }
  assert.deepEqual(done, ["now", "a", "tick", "b", "c", "tick"]);
  assert.equal(time.now, 25);
});

test("SIM_TRANSPORT-1, SIM_TRANSPORT-2: each publish has one outcome, and silence ends the connection", async () => {
  const time = new VirtualTime();
  const broker = new SimBroker(time, () => 0.5);
  const owner: SimProcess = { name: "p", alive: true };
  const outcomes: PublishOutcome[] = [];
  const ends: FailureInput[] = [];
  time.install();
  try {
    const options = { clock: time.clock, publishDeadlineMs: 500, silenceMs: 2_000, connectTimeoutMs: 1_000 };
    const transport = new SimTransports(broker, owner, { written: () => undefined }).open(
      { ...options, sendQuota: 10, wanted: new Map(), roundTrip: new RoundTrip() } as unknown as TransportOptions,
      {
        ready: () => undefined,
        roomChanged: () => undefined,
        message: () => undefined,
        settled: (_entry: unknown, outcome: PublishOutcome) => outcomes.push(outcome),
        ended: (failure: FailureInput) => ends.push(failure),
      } as unknown as TransportListener,
    );
    const message = { topic: "a", payload: "x", qos: 1, retain: false } as const;
    const publish = (tag: number) => transport.publish(message, tag, () => undefined);
    time.later(50, () => assert.equal(publish(1), null));
    time.later(100, () => broker.setSilent(true));
    time.later(110, () => assert.equal(publish(2), null));
    await time.run(10_000, () => ends.length > 0);
  } finally {
    time.uninstall();
  }
  assert.deepEqual(outcomes, [
    { kind: "acked", reasonCode: 0x10 },
    { kind: "lost", why: "deadline" },
  ]);
  assert.deepEqual(
    ends.map((end) => ("of" in end ? end.of : end.kind)),
    ["silence"],
  );
});

test(`${SEEDS} seeds: every invariant holds, and each fault and each kind of handler is among them`, async () => {
  const faults = new Set<string>();
  const works = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const plan = planFor(seed);
    for (const { fault } of plan.faults) faults.add(fault);
    for (const { work } of plan.messages) works.add(work);
    const { broken, accepted } = await simulate(plan);
    assert.equal(broken, null, `seed ${seed}: npm run sim -- --seed ${seed} --trace`);
    assert.ok(accepted > 0 || plan.faults.length > 0);
  }
  assert.equal(faults.size, 11);
  assert.deepEqual([...works].sort(), [...WORKS].sort());
});

test("a seed gives the same history each time", async () => {
  const [first, second] = [await simulate(planFor(12), true), await simulate(planFor(12), true)];
  assert.ok(first.trace.length > 20);
  assert.deepEqual(first, second);
});

test("SIM_OUTBOX-1: the model of the outbox reports what is illegal", () => {
  const broken: string[] = [];
  const written = { times: 0, effect: false };
  const outbox = new OutboxTable(new VirtualTime(), {
    published: () => written.times,
    hasEffect: () => written.effect,
    broken: (why) => broken.push(why),
  });
  const [id, message] = outboxMessage();
  outbox.insert([message], "p", 1_000);
  const record = { messageId: id, leaseToken: "1", outcome: "acked", reasonCode: 0, breaker: "CLOSED" } as const;
  outbox.markSent([{ ...record, publishedAgoMs: 0, nextInMs: 10 }]);
  assert.match(broken.shift() ?? "", /counts 1 attempts, 0 were written/);
  const ack = {
    messageId: id,
    clientId: "a",
    checksum: null,
    topic: null,
    signature: null,
    token: null,
    level: "processed",
    attempt: null,
  } as const;
  outbox.settle([{ ...ack, publishedAgoMs: null, reasonCode: null }]);
  assert.match(broken.shift() ?? "", /acknowledged without an effect/);
  assert.deepEqual(broken, []);
  assert.deepEqual(
    outbox.markSent([{ ...record, publishedAgoMs: 0, nextInMs: 10 }]),
    [],
    "nothing leaves acknowledged",
  );
});

test("SIM_INBOX-1: a refused verb changes nothing; an effect that commits is reported once", () => {
  const processed: string[] = [];
  const inbox = new InboxTable(new VirtualTime(), { processed: (id) => processed.push(id) });
  const [known, fresh] = [inboxMessage(), inboxMessage()];
  inbox.receiveProcessed([{ message: known, deliveries: 1 }], [], null);
  assert.throws(() =>
    inbox.receiveProcessed(
      [fresh, known].map((message) => ({ message, deliveries: 1 })),
      [],
      null,
    ),
  );
  assert.equal(inbox.rows.has(fresh.messageId), false);
  const options = { born: "received", owner: "acker/1", leaseMs: 1_000, batch: null } as const;
  inbox.receive([{ message: fresh, deliveries: 1 }], options);
  const [held, lost] = ["acker/1", "other/1"].map((owner) => ({
    lease: { messageId: fresh.messageId, owner },
    values: ["x"],
  }));
  assert.ok(held !== undefined && lost !== undefined);
  assert.throws(() => inbox.commitEffects([lost]));
  inbox.commitEffects([held]);
  assert.throws(() => inbox.commitEffects([held]), "committed once");
  assert.deepEqual(processed, [known.messageId, fresh.messageId]);
});

test("a failing plan shrinks to what makes it fail", async () => {
  const plan = planFor(5);
  const needed = plan.messages[1];
  const fails = async (smaller: SimPlan): Promise<boolean> =>
    smaller.messages.includes(needed ?? (plan.messages[0] as never));
  const smallest = await shrink(plan, fails);
  assert.deepEqual([smallest.faults.length, smallest.messages], [0, [needed]]);
});
