/** Thousands of destinations that never answer cost those that do nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Destination } from "@acktor/publisher/dispatch/destination";
import { TrialOrder } from "@acktor/publisher/dispatch/trial-order";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { dispatcherRig, PUBACK, type Rig, TICK_MS } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

const WINDOW = 512;

/** One message for each of so many destinations that answer nothing. */
function absent(count: number, from = 0): LeasedMessage[] {
  return Array.from({ length: count }, (_, i) => leased({ topic: `absent/${from + i}` }));
}

/** The broker takes everything; `present` is answered within a tick. */
function live(rig: Rig, ms: number, present: (topic: string) => boolean): void {
  for (let at = 0; at < ms; at += TICK_MS) {
    const fresh = rig.link.published.splice(0);
    for (const { message, settle } of fresh) {
      settle(PUBACK);
      const { message_id: id } = JSON.parse(String(message.payload)) as { message_id: string };
      if (present(message.topic)) rig.ack(id);
    }
    rig.confirm();
    rig.pass(TICK_MS);
  }
}

test("HEALTH-3: destinations that never answered leave a quarter of the window to those that do", () => {
  const rig = dispatcherRig({ strangers: true, window: WINDOW });
  rig.offer(...absent(500));
  assert.equal(rig.dispatcher.unacked, (WINDOW * 3) / 4);
  rig.prove("present");
  const sent = rig.link.published.length;
  rig.offer(...Array.from({ length: 16 }, () => leased({ topic: "present" })));
  assert.equal(rig.link.published.length - sent, 16, "immediately");
});

test("HEALTH-3: busy proven destinations leave an eighth of the window to others", () => {
  const rig = dispatcherRig({ strangers: true, window: 64 });
  for (let n = 0; n < 10; n++) rig.prove(`busy/${n}`);
  rig.offer(...Array.from({ length: 200 }, (_, n) => leased({ topic: `busy/${n % 10}` })));
  assert.equal(rig.dispatcher.unacked, 64);
  rig.offer(...absent(20));
  assert.equal(rig.dispatcher.trials, 0);
  live(rig, 1_000, (topic) => topic.startsWith("busy"));
  assert.ok(rig.dispatcher.trials >= 8, `${rig.dispatcher.trials} trials`);
});

test("a destination gets one message until its first answer, and all of its window then", () => {
  const rig = dispatcherRig({ strangers: true });
  rig.offer(...Array.from({ length: 40 }, () => leased({ topic: "a" })));
  assert.equal(rig.link.published.length, 1);
  rig.ack(rig.published()[0] ?? "");
  assert.equal(rig.link.published.length, 18);
});

test("DESTINATIONS-3: a device that was switched on now is tried before absent ones that wait for longer", () => {
  const rig = dispatcherRig({ strangers: true, window: WINDOW });
  rig.offer(...absent(2_000));
  live(rig, 1_000, () => false);
  const message = leased({ topic: "new" });
  rig.offer(message);
  live(rig, 2_000, () => false);
  assert.notEqual(rig.book.find(message.messageId), null, "sent as soon as one of the absent ones timed out");
});

test("WAITING_MESSAGES-3: absent destinations fill half of the memory, and a crowd of them is parked untried", () => {
  const rig = dispatcherRig({ strangers: true, window: WINDOW });
  rig.offer(...absent(1_000));
  rig.offer(...absent(1_000, 1_000));
  assert.equal(rig.dispatcher.queued, 512);
  assert.equal(rig.told.parked.length, 0, "they may all be present");
  assert.equal(rig.dispatcher.isCrowd, false);
  live(rig, 600, () => false);
  assert.equal(rig.dispatcher.isCrowd, true, "no answer for half a second");
  assert.equal(rig.dispatcher.queued, 256);
  assert.equal(rig.told.parked.length, 256);
  assert.ok(rig.told.facts.every(({ tried }) => !tried));
  assert.deepEqual(rig.told.parked[0]?.destination, "absent/192", "the oldest that were not sent");
  rig.offer(...absent(500, 3_000));
  assert.equal(rig.dispatcher.queued, 256, "the newest stay");
  assert.ok(rig.dispatcher.room > 700, "and a claim finds room");
});

test("a fleet that answers is no crowd: nothing is parked, and all are tried within milliseconds", () => {
  const rig = dispatcherRig({ strangers: true, window: WINDOW });
  rig.offer(...absent(512));
  live(rig, 500, () => true);
  assert.deepEqual([rig.told.parked.length, rig.dispatcher.queued, rig.dispatcher.unacked], [0, 0, 0]);
});

test("DESTINATION-5: a crowd is parked at its first silence, and its late ack resumes", () => {
  const rig = dispatcherRig({ strangers: true, window: WINDOW });
  rig.offer(...absent(300));
  live(rig, 2_200, () => false);
  assert.equal(rig.told.parked.length, 300);
  assert.equal(rig.dispatcher.unacked, 0);
  assert.ok(rig.told.facts.every(({ tried, answeredAgoMs }) => tried && answeredAgoMs === null));
});

test("what proves itself has its other messages resumed, which may be parked untried or by another publisher", () => {
  const rig = dispatcherRig({ strangers: true });
  rig.dispatcher.noteParked(true);
  const message = leased({ topic: "a" });
  rig.offer(message);
  rig.ack(message.messageId);
  assert.deepEqual(rig.told.unparked, ["a"]);
});

test("WAITING_MESSAGES-4: while a destination is parked, a fresh message of an unknown one goes through the claim", () => {
  const rig = dispatcherRig({ strangers: true });
  assert.equal(rig.dispatcher.reserve("unknown"), true);
  rig.dispatcher.noteParked(true);
  assert.equal(rig.dispatcher.reserve("unknown"), false);
  rig.prove("known");
  assert.equal(rig.dispatcher.reserve("known"), true);
});

test("a trial order keeps each destination once", () => {
  const order = new TrialOrder();
  const all = Array.from({ length: 5 }, (_, n) => {
    const one = new Destination(String(n));
    one.queue.push({ message: leased(), leaseEndsAt: 0, expiresAt: null, probe: true });
    return one;
  });
  for (let round = 0; round < 2_000; round++) for (const one of all) order.add(one);
  assert.deepEqual(
    order.list().map(({ name }) => name),
    ["0", "1", "2", "3", "4"],
  );
  const taken = all.map(() => order.take()?.name);
  assert.deepEqual(taken, ["4", "0", "3", "1", "2"], "newest and oldest by turns");
  assert.equal(order.take(), undefined);
  const [first, second] = all;
  if (first !== undefined) order.add(first);
  assert.equal(order.take()?.name, "0");
  if (second !== undefined) order.add(second);
  assert.equal(order.take()?.name, "1");
});
