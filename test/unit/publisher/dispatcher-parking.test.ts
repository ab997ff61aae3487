/** Silent destinations leave the window, are probed by single messages, and do not slow other destinations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { dispatcherRig, PUBACK, type Rig, TICK_MS } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

const NO_SUBSCRIBER = { kind: "acked", reasonCode: 0x10 } as const;

function some(count: number, topic: string): LeasedMessage[] {
  return Array.from({ length: count }, () => leased({ topic }));
}

function park(rig: Rig, topic: string): void {
  const message = leased({ topic });
  rig.offer(message);
  rig.settle(message.messageId, NO_SUBSCRIBER);
}

function probe(rig: Rig, message: LeasedMessage): void {
  rig.dispatcher.offer([message], rig.now() + 15_000, true);
}

test("no subscriber (0x10): parked immediately, the attempt recorded, what waited set aside", () => {
  const rig = dispatcherRig();
  const messages = some(20, "a");
  rig.offer(...messages);
  const [first] = rig.published();
  rig.settle(first ?? "", NO_SUBSCRIBER);
  assert.deepEqual(rig.told.parked, [{ destination: "a", messages: messages.slice(16) }]);
  assert.equal(rig.told.records[0]?.reasonCode, 0x10);
  assert.equal(rig.told.records[0]?.outcome, "acked");
  assert.deepEqual([rig.dispatcher.queued, rig.dispatcher.unacked], [0, 15]);
  for (const id of rig.published().slice(1)) rig.settle(id, NO_SUBSCRIBER);
  assert.equal(rig.told.parked.length, 1);
  assert.equal(rig.told.records.length, 16);
  assert.equal(rig.dispatcher.unacked, 0);
});

test("HEALTH-1: three ack timeouts in a row park, and later messages for it are set aside, not sent", () => {
  const rig = dispatcherRig();
  for (let silence = 1; silence <= 3; silence++) {
    assert.deepEqual(rig.told.parked, []);
    const message = leased({ topic: "a" });
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(100);
    rig.confirm();
    rig.pass(2_000);
  }
  assert.deepEqual(rig.told.parked, [{ destination: "a", messages: [] }]);
  const sent = rig.published().length;
  const late = some(3, "a");
  rig.offer(...late);
  rig.pass(1_000);
  assert.deepEqual(rig.told.parked.at(-1), { destination: "a", messages: late });
  assert.equal(rig.published().length, sent);
});

test("a window of timeouts at one moment is one silence", () => {
  const rig = dispatcherRig();
  rig.offer(...some(16, "a"));
  for (const id of rig.published()) rig.settle(id, PUBACK);
  rig.pass(100);
  rig.confirm();
  rig.pass(2_000);
  assert.equal(rig.dispatcher.counts.ackTimeouts, 16);
  assert.deepEqual(rig.told.parked, []);
  assert.equal(rig.dispatcher.destinations()[0]?.window, 1, "until it answers");
  rig.prove("a");
  assert.equal(rig.dispatcher.destinations()[0]?.window, 8);
});

test("an answer between two silences starts the count again", () => {
  const rig = dispatcherRig();
  for (let round = 0; round < 10; round++) {
    const message = leased({ topic: "a" });
    rig.offer(message);
    rig.settle(message.messageId, PUBACK);
    rig.pass(100);
    rig.confirm();
    if (round % 3 === 2) rig.ack(message.messageId);
    rig.pass(2_000);
  }
  assert.deepEqual(rig.told.parked, []);
});

test("a probe goes to a parked destination, and its answer resumes the destination", () => {
  const rig = dispatcherRig();
  park(rig, "a");
  const message = leased({ topic: "a" });
  probe(rig, message);
  assert.equal(rig.published().at(-1), message.messageId);
  rig.ack(message.messageId);
  assert.deepEqual(rig.told.unparked, ["a"]);
  const next = leased({ topic: "a" });
  rig.offer(next);
  assert.equal(rig.published().at(-1), next.messageId);
});

test("a probe without an answer leaves the destination parked", () => {
  const rig = dispatcherRig();
  park(rig, "a");
  const message = leased({ topic: "a" });
  probe(rig, message);
  rig.settle(message.messageId, NO_SUBSCRIBER);
  rig.offer(leased({ topic: "a" }));
  assert.equal(rig.published().at(-1), message.messageId);
  assert.equal(rig.dispatcher.destinations()[0]?.parked, true);
});

test("a probe that the link does not take is sent when it does", () => {
  const rig = dispatcherRig();
  park(rig, "a");
  rig.link.refuses = () => "window_full";
  const message = leased({ topic: "a" });
  probe(rig, message);
  rig.link.refuses = () => null;
  rig.pass(TICK_MS);
  assert.equal(rig.published().at(-1), message.messageId);
  assert.equal(rig.dispatcher.queued, 0);
});

test("a probe of a destination that another replica parked reports that it was parked", () => {
  const rig = dispatcherRig();
  const message = leased({ topic: "a" });
  probe(rig, message);
  rig.ack(message.messageId);
  assert.deepEqual(rig.told.unparked, ["a"]);
});

test("a birth unparks the destinations that match, and tells which", () => {
  const rig = dispatcherRig();
  for (const topic of ["a/1", "a/2", "b/1"]) park(rig, topic);
  assert.deepEqual(
    rig.unpark((name) => name.startsWith("a/")),
    ["a/1", "a/2"],
  );
  const sent = rig.published().length;
  for (const topic of ["a/1", "a/2", "b/1"]) rig.offer(leased({ topic }));
  assert.equal(rig.published().length, sent + 2);
});

test("a destination is the first levels of a topic where so configured", () => {
  const rig = dispatcherRig({ destinationLevels: 1 });
  park(rig, "device/1");
  const sent = rig.published().length;
  rig.offer(leased({ topic: "device/2" }), leased({ topic: "other/2" }));
  assert.equal(rig.published().length, sent + 1);
  assert.deepEqual(
    rig.dispatcher.destinations().map((d) => d.name),
    ["device", "other"],
  );
});

/**
 * Ten destinations, each with more messages than all windows together; nine ack one tick after the PUBLISH, the tenth
 * gets PUBACKs and never acks. A message that is claimed again after a timeout comes back immediately: the worst that an
 * outbox can do.
 */
test("one silent destination of ten slows the other nine by nothing", () => {
  const ticksWith = (silent: string | null): number => {
    const rig = dispatcherRig({ window: 64 });
    const topics = Array.from({ length: 10 }, (_, i) => `d/${i}`);
    for (const topic of topics.filter((name) => silent !== null || name !== "d/9")) rig.offer(...some(200, topic));
    let done = 0;
    let seen = 0;
    let ticks = 0;
    while (done < 9 * 200) {
      const fresh = rig.link.published.slice(seen);
      seen = rig.link.published.length;
      rig.confirm();
      rig.pass(TICK_MS);
      ticks++;
      assert.ok(ticks < 1_000, `${done} of 1800 after ${ticks} ticks`);
      for (const { message, settle } of fresh) {
        const { message_id } = JSON.parse(String(message.payload)) as { message_id: string };
        settle(PUBACK);
        if (message.topic === silent) continue;
        if (rig.ack(message_id)) done++;
      }
      const { unacked = 0 } = rig.dispatcher.destinations().find((d) => d.name === silent) ?? {};
      assert.ok(unacked <= 16);
      assert.ok(rig.dispatcher.unacked <= 64);
    }
    return ticks;
  };
  const alone = ticksWith(null);
  const withSilent = ticksWith("d/9");
  // The silent one holds 16 of the 64 places until it is parked: a third more at worst.
  assert.ok(withSilent <= Math.ceil(alone * 1.34), `${withSilent} ticks with a silent one, ${alone} without`);
});

test("the first PUBLISH of a retained message goes to a parked destination too, its retries do not", () => {
  const rig = dispatcherRig();
  const retained = leased({ topic: "a", retain: true });
  const messages = [...some(16, "a"), leased({ topic: "a" }), retained];
  rig.offer(...messages);
  rig.settle(messages[0]?.messageId ?? "", NO_SUBSCRIBER);
  assert.deepEqual(rig.told.parked, [{ destination: "a", messages: [messages[16]] }]);
  assert.equal(rig.published().at(-1), retained.messageId, "queued when its destination was parked");
  const next = leased({ topic: "a", retain: true });
  rig.offer(next);
  assert.equal(rig.published().at(-1), next.messageId, "claimed when its destination was parked");
  rig.settle(next.messageId, NO_SUBSCRIBER);
  const again = { ...next, attempts: 1, leaseToken: "2" };
  rig.offer(again);
  assert.equal(rig.inFlight(next.messageId), null);
  assert.deepEqual(rig.told.parked.at(-1), { destination: "a", messages: [again] });
});
