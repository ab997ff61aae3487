/** What is sent, when, and in which order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeasedMessage } from "@acktor/publisher/outbox/outbox";
import { dispatcherRig, LEASE_MS, type Rig } from "../../support/dispatcher-rig.ts";
import { leased } from "../../support/leased.ts";

function some(count: number, topic = "plant/1"): LeasedMessage[] {
  return Array.from({ length: count }, () => leased({ topic }));
}

test("HEALTH-2: no more messages are un-acked than the window holds, all destinations together", () => {
  const rig = dispatcherRig({ window: 20 });
  for (const topic of ["a", "b", "c"]) rig.offer(...some(15, topic));
  assert.equal(rig.dispatcher.unacked, 20);
  assert.equal(rig.dispatcher.queued, 25);
  for (const id of rig.published().slice(0, 5)) rig.ack(id);
  assert.equal(rig.dispatcher.unacked, 20);
  assert.equal(rig.dispatcher.queued, 20);
});

test("replicas share the window; what is in flight beyond a smaller share stays there", () => {
  const rig = dispatcherRig({ window: 20 });
  for (const topic of ["a", "b", "c"]) rig.offer(...some(15, topic));
  rig.dispatcher.health.shareWindow(3);
  const sent = rig.published();
  for (const id of sent.slice(0, 14)) rig.ack(id);
  assert.deepEqual([rig.dispatcher.unacked, rig.published().length], [6, 20], "above the share nothing is sent");
  rig.ack(sent[14] ?? "");
  assert.deepEqual([rig.dispatcher.unacked, rig.published().length], [6, 21]);
  rig.dispatcher.health.shareWindow(1);
  rig.dispatcher.pump();
  assert.equal(rig.dispatcher.unacked, 20);
  rig.dispatcher.health.shareWindow(1_000);
  for (const id of rig.published()) rig.ack(id);
  assert.equal(rig.dispatcher.unacked, 1, "a share is never nothing");
});

test("a destination starts with sixteen, and its window grows with its acks", () => {
  const rig = dispatcherRig();
  rig.offer(...some(100));
  assert.equal(rig.dispatcher.unacked, 16);
  for (const id of rig.published()) rig.ack(id);
  assert.equal(rig.dispatcher.unacked, 32);
});

test("DESTINATIONS-1: destinations are served in turn, one message each", () => {
  const rig = dispatcherRig({ window: 6 });
  rig.link.room = 0;
  const messages = ["a", "b", "c"].flatMap((topic) => some(4, topic));
  rig.offer(...messages);
  rig.link.room = 6;
  rig.dispatcher.pump();
  assert.deepEqual(
    rig.link.published.map((p) => p.message.topic),
    ["a", "b", "c", "a", "b", "c"],
  );
});

test("messages of one destination keep their order", () => {
  const rig = dispatcherRig();
  const messages = some(10);
  rig.offer(...messages);
  assert.deepEqual(
    rig.published(),
    messages.map((m) => m.messageId),
  );
});

test("the dispatcher gives the link no more than it accepts", () => {
  const rig = dispatcherRig();
  rig.link.room = 3;
  rig.offer(...some(10));
  assert.equal(rig.published().length, 3);
  rig.link.room = 2;
  rig.dispatcher.pump();
  assert.equal(rig.published().length, 5);
});

test("SENDING-1: a lease with less than three seconds left is not used, but given back", () => {
  const rig = dispatcherRig();
  const [late, timely] = [leased(), leased()];
  rig.dispatcher.offer([late], rig.now() + 2_999);
  rig.dispatcher.offer([timely], rig.now() + 3_000);
  assert.deepEqual(rig.published(), [timely.messageId]);
  assert.deepEqual(rig.told.released, [{ messages: [late], dueInMs: 0 }]);
  assert.equal(rig.dispatcher.counts.leaseMissed, 1);
});

test("a lease is measured when the message is sent, not when it is claimed", () => {
  const rig = dispatcherRig();
  rig.link.room = 0;
  const message = leased();
  rig.offer(message);
  rig.pass(LEASE_MS - 2_950);
  rig.link.room = 1;
  rig.dispatcher.pump();
  assert.deepEqual(rig.published(), []);
  assert.deepEqual(rig.told.released, [{ messages: [message], dueInMs: 0 }]);
});

test("max_retries counts PUBLISHes after the first: 0 means one try, null no limit", () => {
  const rig = dispatcherRig();
  const tries = [
    { message: leased({ maxRetries: 0, attempts: 0 }), sent: true },
    { message: leased({ maxRetries: 0, attempts: 1 }), sent: false },
    { message: leased({ maxRetries: 3, attempts: 3 }), sent: true },
    { message: leased({ maxRetries: 3, attempts: 4 }), sent: false },
    { message: leased({ maxRetries: null, attempts: 1_000 }), sent: true },
  ];
  for (const { message, sent } of tries) {
    rig.offer(message);
    assert.equal(rig.published().includes(message.messageId), sent);
    assert.deepEqual(
      rig.told.failed.some((f) => f.message === message && f.reason === "max_retries"),
      !sent,
    );
  }
});

test("an expired message is not sent, and one that will expire carries its time", () => {
  const rig = dispatcherRig();
  rig.link.room = 0;
  const [short, long] = [leased({ expiresInMs: 1_000 }), leased({ expiresInMs: 10_000 })];
  rig.offer(short, long);
  rig.pass(1_000);
  rig.link.room = 5;
  rig.dispatcher.pump();
  rig.pass(100);
  assert.deepEqual(rig.published(), [long.messageId]);
  const wire = JSON.parse(String(rig.link.published[0]?.message.payload)) as Record<string, unknown>;
  assert.equal(wire["expires_in"], 9);
  assert.equal(rig.dispatcher.queued, 0);
});

test("DISPATCHER-1, WAITING_MESSAGES-2: a gate that closes gives back immediately what was not sent, and later messages", () => {
  const rig = dispatcherRig();
  rig.link.room = 2;
  const messages = [...some(3, "a"), ...some(2, "b")];
  rig.offer(...messages);
  const sent = rig.published();
  rig.dispatcher.setOpen(false);
  const back = rig.told.released.flatMap((r) => r.messages.map((m) => m.messageId));
  assert.deepEqual([...back, ...sent].sort(), messages.map((m) => m.messageId).sort());
  assert.deepEqual([rig.dispatcher.queued, rig.dispatcher.unacked], [0, 2]);
  const late = leased();
  rig.offer(late);
  assert.deepEqual(rig.told.released.at(-1), { messages: [late], dueInMs: 0 });
  rig.link.room = 10;
  rig.pass(1_000);
  assert.equal(rig.published().length, 2);
});

test("SENDING-3: what the link does not take now keeps its place", () => {
  for (const why of ["not_connected", "breaker_open", "window_full"] as const) {
    const rig = dispatcherRig();
    rig.link.refuses = () => why;
    const messages = some(3);
    rig.offer(...messages);
    assert.deepEqual([rig.dispatcher.queued, rig.dispatcher.unacked], [3, 0]);
    assert.equal(rig.dispatcher.counts.published, 0);
    rig.link.refuses = () => null;
    rig.pass(50);
    assert.deepEqual(
      rig.published(),
      messages.map((m) => m.messageId),
    );
    assert.deepEqual(rig.told.records, []);
  }
});

test("SENDING-2: what this broker will never take is marked failed, and delays no other message", () => {
  for (const why of ["too_large", "qos_unsupported", "retain_unsupported"] as const) {
    const rig = dispatcherRig();
    const [bad, good] = [leased({ contentType: "bad" }), leased()];
    rig.link.refuses = ({ payload }) => (String(payload).includes('"bad"') ? why : null);
    rig.offer(bad, good);
    assert.deepEqual(rig.published(), [good.messageId]);
    assert.deepEqual(rig.told.failed, [{ message: bad, reason: why }]);
    assert.deepEqual([rig.dispatcher.queued, rig.dispatcher.unacked], [0, 1]);
  }
});

test("room is what memory holds less what waits in it and what is reserved", () => {
  const rig = dispatcherRig();
  const all = rig.dispatcher.room;
  assert.equal(rig.dispatcher.reserve("a"), true);
  assert.equal(rig.dispatcher.reserve("a"), true);
  assert.equal(rig.dispatcher.room, all - 2);
  rig.dispatcher.unreserve(2);
  rig.link.room = 0;
  rig.offer(...some(10));
  assert.equal(rig.dispatcher.room, all - 10);
  rig.prove("b");
  let reserved = 0;
  while (rig.dispatcher.reserve("b")) reserved++;
  assert.equal(reserved, all - 10);
  assert.equal(rig.dispatcher.room, 0);
});

test("nothing is reserved behind a closed gate, for a parked destination, or for one whose queue is full", () => {
  const rig = dispatcherRig();
  rig.park("parked");
  assert.equal(rig.dispatcher.reserve("parked"), false);
  rig.link.room = 0;
  rig.offer(...some(256, "full"));
  assert.equal(rig.dispatcher.reserve("full"), false);
  // WAITING_MESSAGES-4
  assert.equal(rig.dispatcher.reserve("other"), false, "it may be parked, too");
  rig.prove("other");
  assert.equal(rig.dispatcher.reserve("other"), true);
  rig.dispatcher.setOpen(false);
  assert.equal(rig.dispatcher.reserve("other"), false);
});

test("WAITING_MESSAGES-1: one of several destinations has at most a quarter of memory; the rest waits in the outbox", () => {
  const rig = dispatcherRig();
  rig.link.room = 0;
  rig.offer(leased({ topic: "other" }));
  rig.offer(...some(400, "greedy"));
  assert.equal(rig.dispatcher.queued, 257);
  assert.equal(rig.told.released[0]?.messages.length, 144);
  assert.equal(rig.told.released[0]?.dueInMs, 250);
});

/** Messages answered within half a second. */
function answer(rig: Rig, count: number): void {
  for (let i = 0; i < count; i++) {
    const message = leased();
    rig.offer(message);
    rig.ack(message.messageId);
  }
  rig.pass(500);
}

test("memory holds the answers of some seconds, within its bounds", () => {
  const rig = dispatcherRig();
  const least = rig.dispatcher.room;
  const roomAt = (perHalfSecond: number): number => {
    answer(rig, perHalfSecond);
    return rig.dispatcher.room;
  };
  rig.pass(500);
  const [slow, faster] = [roomAt(600), roomAt(900)];
  assert.ok(slow > least);
  assert.equal(faster, slow * 1.5);
  const most = roomAt(5_000);
  assert.equal(roomAt(10_000), most);
  assert.ok(most < 5_000 * 2 * 12, "what waits is sent before its lease ends");
  assert.equal(roomAt(0), least);
});

test("it rings for more while at least half of the memory is free", () => {
  const rig = dispatcherRig();
  rig.link.room = 0;
  for (const topic of ["a", "b", "c", "d", "e", "f"]) rig.offer(...some(100, topic));
  const before = rig.told.lows;
  rig.dispatcher.pump();
  assert.equal(rig.told.lows, before);
  rig.link.room = 90;
  rig.dispatcher.pump();
  assert.equal(rig.told.lows, before + 1);
});

test("DESTINATIONS-2: the number of destinations remembered is bounded, and those that wait or answer are kept", () => {
  const rig = dispatcherRig();
  for (let i = 0; i < 10_000; i++) rig.park(`parked/${i}`);
  for (let i = 0; i < 2_000; i++) {
    const message = leased({ topic: `live/${i}` });
    rig.offer(message);
    rig.ack(message.messageId);
  }
  assert.ok(rig.dispatcher.destinations().length <= 10_000);
  rig.link.room = 0;
  rig.offer(...some(3, "waiting"));
  for (let i = 0; i < 10_000; i++) rig.park(`more/${i}`);
  assert.equal(rig.dispatcher.destinations().find((d) => d.name === "waiting")?.queued, 3);
});
