/** The simulation: virtual time, plans, invariants that hold, histories that repeat, plans that shrink. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InboxTable } from "@acktor/chaos/sim/inbox-table";
import { OutboxTable } from "@acktor/chaos/sim/outbox-table";
import { shrink } from "@acktor/chaos/sim/shrink";
import { WORKS } from "@acktor/chaos/sim/sim-handler";
import { planFor, type SimPlan } from "@acktor/chaos/sim/sim-plan";
import { simulate } from "@acktor/chaos/sim/simulate";
import { type SimProcess, VirtualTime } from "@acktor/chaos/sim/virtual-time";
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
