import assert from "node:assert/strict";
import { test } from "node:test";
import { AckSender, type Reply } from "@acktor/acker/ack/ack-sender";
import { createCounts } from "@acktor/acker/control/counts";
import { decodeAck } from "@acktor/shared/protocol/ack";
import { type FakeLink, fakeLink } from "../../support/fake-link.ts";

function setUp(link: FakeLink, limit = 100) {
  const counts = createCounts();
  return { counts, acks: new AckSender({ link, clientId: "acker", signer: null, limit, counts }) };
}

const reply = (id: string, answer: Reply["answer"] = { status: "processed" }): Reply => {
  return { answerTo: { topic: `delivery/ack/${id}`, id }, answer, attemptToken: "4", checksum: "sha256:a" };
};

test("a single ack is QoS 1, never retained, and says what it answers", () => {
  const link = fakeLink();
  setUp(link).acks.send(reply("m1", { status: "rejected", reason: `a\ud800${"x".repeat(2_000)}`, retryable: true }));
  const message = link.published[0]?.message;
  assert.deepEqual([message?.topic, message?.qos, message?.retain], ["delivery/ack/m1", 1, false]);
  const decoded = decodeAck("m1", Buffer.from(message?.payload ?? ""));
  assert.ok(decoded.kind === "ack");
  const { client_id, status, retryable, attempt_token, reason } = decoded.ack;
  assert.deepEqual(
    [client_id, status, retryable, attempt_token, reason?.length],
    ["acker", "rejected", true, "4", 500],
  );
});

test("of acks in flight together one is QoS 1; after its PUBACK the next one is", () => {
  const link = fakeLink();
  const { acks, counts } = setUp(link);
  const qos = () => link.published.map(({ message }) => message.qos);
  for (let i = 0; i < 3; i++) acks.send(reply(`m${i}`));
  assert.deepEqual(qos(), [1, 0, 0]);
  link.published[1]?.settle({ kind: "acked", reasonCode: 0 });
  acks.send(reply("m3"));
  assert.deepEqual(qos(), [1, 0, 0, 0], "the one at QoS 0 proves nothing");
  link.published[0]?.settle({ kind: "refused", reasonCode: 0x87 });
  acks.send(reply("m4"));
  assert.deepEqual(qos(), [1, 0, 0, 0, 1]);
  assert.deepEqual([counts.acks.sent, counts.acks.refused], [1, 1]);
});

// SEND-2
test("acks wait for the link's room, up to the limit; the rest is dropped and counted", () => {
  const link = fakeLink();
  link.room = 2;
  const { acks, counts } = setUp(link, 3);
  for (let i = 0; i < 10; i++) acks.send(reply(`m${i}`));
  assert.deepEqual([link.published.length, acks.waiting(), counts.acks.dropped], [2, 3, 5]);
  link.room = 5;
  link.emit("link.writable", {});
  assert.equal(acks.waiting(), 0);
  assert.deepEqual(
    link.published.map(({ message }) => message.topic.at(-1)),
    ["0", "1", "2", "3", "4"],
  );
});

// SEND-1
test("without a connection an ack is dropped, and so is what waited when it broke", () => {
  const link = fakeLink();
  link.room = 0;
  const { acks, counts } = setUp(link);
  acks.send(reply("m1"));
  assert.equal(acks.waiting(), 1);
  link.state = "DISCONNECTED";
  link.emit("link.disconnected", { expected: false, failure: null });
  assert.deepEqual([acks.waiting(), counts.acks.dropped], [0, 1]);
  acks.send(reply("m2"));
  assert.deepEqual([acks.waiting(), counts.acks.dropped], [0, 2]);
});

// SEND-3
test("every outcome is counted; a drain waits for all of them, but not forever", async () => {
  const link = fakeLink();
  const { acks, counts } = setUp(link);
  for (let i = 0; i < 4; i++) acks.send(reply(`m${i}`));
  const drained = acks.drain(10_000);
  link.published[0]?.settle({ kind: "acked", reasonCode: 0 });
  link.published[1]?.settle({ kind: "refused", reasonCode: 0x87 });
  link.published[2]?.settle({ kind: "lost", why: "deadline" });
  link.published[3]?.settle({ kind: "unsent", why: "too_large" });
  await drained;
  assert.deepEqual(counts.acks, { sent: 1, refused: 1, lost: 1, dropped: 1, withheld: 0 });
  acks.send(reply("m9"));
  await acks.drain(1);
  acks.stop();
  acks.stop();
});

test("SEND-5: a sender without attempt tokens is answered processed, or not at all", () => {
  const link = fakeLink();
  const { acks, counts } = setUp(link);
  const answers: readonly Reply["answer"][] = [
    { status: "rejected", reason: "no", retryable: true },
    { status: "rejected", reason: "no", retryable: false },
    { status: "working", forMs: 1_000, elapsedMs: 0 },
  ];
  for (const answer of answers) acks.send({ ...reply("m1", answer), attemptToken: null });
  assert.deepEqual([link.published.length, counts.acks.withheld], [0, 3]);
  acks.send({ ...reply("m1"), attemptToken: null });
  assert.equal(link.published.length, 1);
});
