/** The settler's batches: what the database answered, or did not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Settled } from "@acktor/publisher/outbox/outbox";
import type { DbResult } from "@acktor/shared/db/pool";
import { AWAY, REFUSED, rows } from "../../support/db-results.ts";
import { settledRow, settlerRig } from "../../support/settler-rig.ts";
import { until } from "../../support/until.ts";

test("acks that come together are settled by one statement", async () => {
  const rig = settlerRig();
  for (let i = 0; i < 20; i++) rig.receive(rig.publish().id, "{}");
  await until(() => rig.settled.length > 0, 2_000);
  assert.equal(rig.settled[0]?.length, 20);
  await rig.writer.drain();
  assert.equal(rig.told.length, 20);
});

test("late acks are counted and reported like the others", async () => {
  const rig = settlerRig();
  rig.answerAcks = ([first]) => rows({ ...settledRow(first?.messageId ?? ""), late: true });
  rig.receive(rig.publish().id, "{}");
  await rig.writer.drain();
  assert.deepEqual([rig.settler.counts.settled, rig.settler.counts.late, rig.told.length], [1, 1, 1]);
});

test("the same ack twice in a batch is one settled and one duplicate, without a further statement", async () => {
  const rig = settlerRig();
  const { id } = rig.publish();
  for (let i = 0; i < 3; i++) rig.receive(id, '{"client_id":"c1"}');
  await rig.writer.drain();
  assert.deepEqual([rig.settler.counts.settled, rig.settler.counts.duplicate, rig.classified], [1, 2, []]);
});

test("what settled nothing is looked up and counted by its reason", async () => {
  const rig = settlerRig();
  const leftovers = ["duplicate", "other_client", "checksum_mismatch", "unknown"] as const;
  const ids = leftovers.map(() => rig.publish().id);
  const settled = rig.publish().id;
  rig.answerAcks = () => rows(settledRow(settled));
  rig.answerLeftovers = (acks) => {
    return rows(
      ...acks.map(({ messageId }) => ({ messageId, leftover: leftovers[ids.indexOf(messageId)] ?? "unknown" })),
    );
  };
  for (const id of [...ids, settled]) rig.receive(id, "{}");
  await rig.writer.drain();
  const { duplicate, otherClient, checksumMismatch, unknown } = rig.settler.counts;
  assert.deepEqual([duplicate, otherClient, checksumMismatch, unknown], [1, 1, 1, 1]);
  assert.deepEqual(
    rig.classified.flat().map((a) => a.messageId),
    ids,
  );
});

test("two receivers whose acks come in one batch are both recorded", async () => {
  const rig = settlerRig();
  const [shared, plain] = [rig.publish().id, rig.publish().id];
  rig.answerLeftovers = (acks) => {
    return rows(
      ...acks.map(({ messageId, clientId }) => {
        return { messageId, leftover: clientId === "c1" ? ("duplicate" as const) : ("other_client" as const) };
      }),
    );
  };
  rig.receive(shared, '{"client_id":"c1"}');
  rig.receive(shared, '{"client_id":"c2"}');
  rig.receive(plain, '{"client_id":"c1"}');
  await rig.writer.drain();
  assert.deepEqual(
    rig.classified.flat().map((a) => [a.messageId, a.clientId]),
    [
      [shared, "c1"],
      [shared, "c2"],
    ],
  );
  const { settled, otherClient, duplicate } = rig.settler.counts;
  assert.deepEqual([settled, otherClient, duplicate], [2, 1, 0]);
});

test("while the database is away a batch is tried again, and nothing is lost", async () => {
  const rig = settlerRig();
  let away = 2;
  const answer = rig.answerAcks;
  rig.answerAcks = (acks) => (away-- > 0 ? AWAY : answer(acks));
  const { id } = rig.publish();
  rig.receive(id, "{}");
  await until(() => rig.told.length > 0, 5_000, "the ack to be settled");
  assert.equal(rig.settled.length, 3);
  assert.deepEqual([rig.settler.counts.settled, rig.settler.counts.dropped], [1, 0]);
  await rig.writer.drain();
});

test("a drain does not wait for an unreachable database", async () => {
  const rig = settlerRig();
  rig.answerAcks = () => AWAY;
  rig.receive(rig.publish().id, "{}");
  await until(() => rig.settled.length > 0, 2_000);
  const before = performance.now();
  await Promise.all([rig.writer.drain(), rig.writer.drain()]);
  assert.ok(performance.now() - before < 1_000);
  assert.equal(rig.settler.counts.dropped, 1);
  rig.receive(rig.publish().id, "{}");
  assert.equal(rig.settler.counts.dropped, 2);
});

test("a batch that the database refuses is dropped, and reported", async () => {
  const rig = settlerRig();
  rig.answerAcks = () => REFUSED;
  rig.receive(rig.publish().id, "{}");
  await rig.writer.drain();
  assert.deepEqual([rig.settled.length, rig.settler.counts.dropped], [1, 1]);
  assert.match(rig.log.messages()[0] ?? "", /^settle /);
});

test("ACK_WRITER-1: the acks that wait are bounded; one more is dropped and counted", async () => {
  const rig = settlerRig();
  const ends: ((result: DbResult<Settled>) => void)[] = [];
  rig.answerAcks = () => new Promise((resolve) => ends.push(resolve));
  const { id } = rig.publish();
  // Two batches of 1,000 are under way, 20,000 wait.
  for (let i = 0; i < 22_000; i++) rig.receive(id, "{}");
  assert.equal(rig.settler.counts.dropped, 0);
  for (let i = 0; i < 5; i++) rig.receive(id, "{}");
  assert.equal(rig.settler.counts.dropped, 5);
  rig.answerAcks = () => rows();
  for (const end of ends) end(rows());
  await rig.writer.drain();
  assert.equal(rig.settled.flat().length, 22_000);
});

for (const over of [{ orderingKey: "k" }, { retain: true }]) {
  test(`a lane is freed when its ack is settled, not when another batch is (${JSON.stringify(over)})`, async () => {
    const rig = settlerRig();
    const ends: ((result: DbResult<Settled>) => void)[] = [];
    rig.answerAcks = () => new Promise((resolve) => ends.push(resolve));
    const plain = rig.publish();
    rig.receive(plain.id, "{}");
    await until(() => ends.length === 1, 2_000);
    const lane = rig.publish(over);
    rig.receive(lane.id, "{}");
    await until(() => ends.length === 2, 2_000);
    ends[0]?.(rows(settledRow(plain.id)));
    await until(() => rig.told.length === 1, 2_000);
    assert.equal(rig.lanesFreed, 0);
    ends[1]?.(rows(settledRow(lane.id)));
    await rig.writer.drain();
    assert.equal(rig.lanesFreed, 1);
  });
}

test("a message that requires only a PUBACK also frees its lane", async () => {
  const rig = settlerRig();
  rig.writer.brokerAcked(rig.publish({ requiresAck: false, retain: true }).entry);
  await rig.writer.drain();
  assert.equal(rig.lanesFreed, 1);
});

test("ACK_WRITER-3: the destination of a message that is not in flight hears of its late answer", async () => {
  const rig = settlerRig();
  const heard: string[] = [];
  rig.writer.heardBy({ answeredLate: (topic) => void heard.push(topic) });
  rig.answerAcks = (acks) =>
    rows(...acks.map((a) => ({ ...settledRow(a.messageId), topic: a.publishedAgoMs === null ? "a/1" : null })));
  const { id } = rig.publish();
  rig.forget(id);
  rig.receive(id, "{}");
  rig.receive(rig.publish().id, "{}");
  await rig.writer.drain();
  assert.deepEqual(heard, ["a/1"]);
});
